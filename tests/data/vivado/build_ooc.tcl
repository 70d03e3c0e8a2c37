# Generated: the core alone for pynq-z2
# Run in this folder: vivado -mode batch -nojournal -notrace -log vivado.log -source build.tcl
# Exit code 3: timing was missed; the reports are there, a bit file is not.

set_param general.maxThreads 4

# A memory image that is not found would otherwise be a block of zeros and a warning.
set_msg_config -id {Synth 8-4445} -new_severity ERROR

read_verilog -sv {
  finnspect_axi_build.sv
  fs_skid.sv
  top.sv
}
read_xdc -mode out_of_context constraints.xdc

puts "finnspect: synthesis"
synth_design -top finnspect_core -part xc7z020clg400-1 -mode out_of_context -flatten_hierarchy rebuilt
report_utilization -file utilization_synth.rpt

puts "finnspect: optimisation"
opt_design
puts "finnspect: placement"
place_design -directive AltSpreadLogic_high
phys_opt_design
puts "finnspect: routing"
route_design -directive Default

puts "finnspect: reports"
write_checkpoint -force routed.dcp
report_timing_summary -delay_type min_max -max_paths 1 -report_unconstrained -file timing.rpt
report_utilization -file utilization.rpt
report_utilization -hierarchical -file utilization_hierarchical.rpt
report_route_status -file route_status.rpt
report_drc -file drc.rpt
report_power -file power.rpt

foreach kind {max min} {
  set paths [get_timing_paths -delay_type $kind -max_paths 1]
  if {[llength $paths] == 0} {
    puts "ERROR: \[finnspect 1\] no path is timed ($kind): the clock constraint did not reach the design"
    exit 4
  }
  set slack [get_property SLACK [lindex $paths 0]]
  if {$slack < 0} {
    puts "ERROR: \[finnspect 2\] timing was missed ($kind): slack $slack ns"
    exit 3
  }
}
exit 0
