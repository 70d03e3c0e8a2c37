// Drives any top that has only `clk` and `rst_n` as inputs: four clock edges of reset, then runs until
// the design calls $finish or $fatal. Plus-arguments reach the design ($value$plusargs).
#include <memory>

#include "Vtop.h"
#include "verilated.h"

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    const auto top = std::make_unique<Vtop>(context.get());
    top->clk = 0;
    top->rst_n = 0;
    for (unsigned long cycle = 0; !context->gotFinish(); ++cycle) {
        top->clk = 0;
        top->rst_n = cycle >= 4;
        top->eval();
        context->timeInc(1);
        top->clk = 1;
        top->eval();
        context->timeInc(1);
    }
    top->final();
    return 0;
}
