// The two AXI3 ports of the virtual board, clock by clock.
//
// Each clock: `drive` sets the inputs of the design while the clock is low, the design settles, `sample`
// reads the handshakes; then the clock rises. No input depends on an output of the same clock.
#pragma once

#include <cstring>

#include "Vtop.h"
#include "virtual_board_memory.h"

// HP0: memory answers the design's master port.
class MemoryPort {
  public:
    MemoryPort(Memory& memory, const Timing& timing, uint64_t seed)
        : memory_(memory), timing_(timing), random_(seed) {}

    MemoryCounts counts;

    // After a reset of the design: what was under way is forgotten.
    void reset() {
        reads_.clear();
        writes_.clear();
        answers_.clear();
        early_.clear();
        r_valid_ = b_valid_ = false;
        ar_still_.forget();
        aw_still_.forget();
        w_still_.forget();
    }

    void drive(Vtop& top, uint64_t clock) {
        top.m_axi_hp_arready = reads_.size() < timing_.outstanding && !random_.hit(timing_.stall_address);
        top.m_axi_hp_awready =
            writes_.size() + answers_.size() < timing_.outstanding && !random_.hit(timing_.stall_address);
        top.m_axi_hp_wready = early_.size() < 16 && !random_.hit(timing_.stall_data);
        if (!r_valid_ && !reads_.empty() && reads_.front().due <= clock && !random_.hit(timing_.stall_data)) offer(top);
        top.m_axi_hp_rvalid = r_valid_;
        if (!b_valid_ && !answers_.empty() && answers_.front().due <= clock) {
            b_valid_ = true;
            top.m_axi_hp_bid = answers_.front().id;
            top.m_axi_hp_bresp = answers_.front().failed ? DECERR : 0;
        }
        top.m_axi_hp_bvalid = b_valid_;
    }

    void sample(Vtop& top, uint64_t clock) {
        sample_reads(top, clock);
        sample_writes(top, clock);
    }

  private:
    static constexpr unsigned DECERR = 3;

    uint64_t due(uint64_t clock, unsigned latency) { return clock + latency + random_.below(timing_.jitter + 1); }

    void offer(Vtop& top) {
        const Burst& burst = reads_.front();
        const uint8_t* bytes = memory_.find(burst.address + 8 * burst.done, 8);
        uint64_t data = random_.next();
        if (bytes) std::memcpy(&data, bytes, 8);
        else ++counts.errors;
        top.m_axi_hp_rdata = data;
        top.m_axi_hp_rresp = bytes ? 0 : DECERR;
        top.m_axi_hp_rid = burst.id;
        top.m_axi_hp_rlast = burst.done + 1 == burst.beats;
        r_valid_ = true;
    }

    void sample_reads(Vtop& top, uint64_t clock) {
        const AddressChannel ar{static_cast<bool>(top.m_axi_hp_arvalid), top.m_axi_hp_arid,    top.m_axi_hp_araddr,
                                top.m_axi_hp_arlen,                      top.m_axi_hp_arsize,  top.m_axi_hp_arburst,
                                top.m_axi_hp_arlock};
        ar_still_.check(ar, top.m_axi_hp_arready, "the read address");
        if (r_valid_ && top.m_axi_hp_rready) {
            r_valid_ = false;
            ++counts.read_beats;
            if (++reads_.front().done == reads_.front().beats) reads_.pop_front();
        }
        if (!ar.valid || !top.m_axi_hp_arready) return;
        Burst burst = check_burst(ar, "a read");
        burst.due = due(clock, timing_.read_latency);
        reads_.push_back(burst);
        ++counts.read_bursts;
    }

    void sample_writes(Vtop& top, uint64_t clock) {
        const AddressChannel aw{static_cast<bool>(top.m_axi_hp_awvalid), top.m_axi_hp_awid,   top.m_axi_hp_awaddr,
                                top.m_axi_hp_awlen,                      top.m_axi_hp_awsize, top.m_axi_hp_awburst,
                                top.m_axi_hp_awlock};
        const DataChannel w{static_cast<bool>(top.m_axi_hp_wvalid), top.m_axi_hp_wid, top.m_axi_hp_wdata,
                            top.m_axi_hp_wstrb, static_cast<bool>(top.m_axi_hp_wlast)};
        aw_still_.check(aw, top.m_axi_hp_awready, "the write address");
        w_still_.check(w, top.m_axi_hp_wready, "the write data");
        if (b_valid_ && top.m_axi_hp_bready) {
            b_valid_ = false;
            answers_.pop_front();
        }
        if (aw.valid && top.m_axi_hp_awready) {
            writes_.push_back(check_burst(aw, "a write"));
            ++counts.write_bursts;
        }
        if (w.valid && top.m_axi_hp_wready) early_.push_back(w);
        while (!writes_.empty() && !early_.empty()) {
            store(early_.front(), clock);
            early_.pop_front();
        }
    }

    void store(const DataChannel& w, uint64_t clock) {
        Burst& burst = writes_.front();
        if (w.id != burst.id)
            violation("WID is " + std::to_string(w.id) + ", the burst's AWID " + std::to_string(burst.id));
        if (w.last != (burst.done + 1 == burst.beats))
            violation("WLAST is wrong at beat " + std::to_string(burst.done) + " of " + std::to_string(burst.beats));
        const uint32_t address = burst.address + 8 * burst.done;
        for (unsigned lane = 0; lane < 8; ++lane) {
            if (!((w.strobes >> lane) & 1)) continue;
            uint8_t* byte = memory_.find(uint64_t{address} + lane, 1);
            if (byte) *byte = static_cast<uint8_t>(w.data >> (8 * lane));
            else burst.failed = true;
        }
        ++counts.write_beats;
        if (++burst.done < burst.beats) return;
        if (burst.failed) ++counts.errors;
        burst.due = due(clock, timing_.write_latency);
        answers_.push_back(burst);
        writes_.pop_front();
    }

    Memory& memory_;
    const Timing timing_;
    Random random_;
    std::deque<Burst> reads_, writes_, answers_;
    std::deque<DataChannel> early_;  // data may come before its address
    bool r_valid_ = false, b_valid_ = false;
    Still<AddressChannel> ar_still_, aw_still_;
    Still<DataChannel> w_still_;
};

// GP0: the processor's reads and writes of registers, one at a time, each with an ID of its own.
class RegisterPort {
  public:
    RegisterPort(const Timing& timing, uint64_t seed) : timing_(timing), random_(seed) {}

    void start(bool write, uint32_t address, uint32_t value) {
        id_ = (id_ + 0x235) & 0xfff;
        write_ = write;
        address_ = address;
        value_ = value;
        address_left_ = true;
        data_left_ = write;
        address_delay_ = random_.below(timing_.jitter + 1);
        data_delay_ = random_.below(timing_.jitter + 1);
        finished_ = false;
    }
    bool finished() const { return finished_; }
    uint32_t value() const { return value_; }
    unsigned response() const { return response_; }

    void drive(Vtop& top) {
        const bool asks = address_left_ && address_delay_ == 0;
        top.s_axi_gp_arvalid = asks && !write_;
        top.s_axi_gp_awvalid = asks && write_;
        top.s_axi_gp_wvalid = data_left_ && data_delay_ == 0;
        top.s_axi_gp_arid = top.s_axi_gp_awid = top.s_axi_gp_wid = id_;
        top.s_axi_gp_araddr = top.s_axi_gp_awaddr = address_;
        top.s_axi_gp_arlen = top.s_axi_gp_awlen = 0;
        top.s_axi_gp_arsize = top.s_axi_gp_awsize = 2;
        top.s_axi_gp_arburst = top.s_axi_gp_awburst = 1;
        top.s_axi_gp_arlock = top.s_axi_gp_awlock = 0;
        top.s_axi_gp_wdata = value_;
        top.s_axi_gp_wstrb = 15;
        top.s_axi_gp_wlast = 1;
        top.s_axi_gp_rready = top.s_axi_gp_bready = !finished_ && !random_.hit(timing_.stall_data);
    }

    void sample(Vtop& top) {
        const bool waits = !finished_ && !address_left_ && !data_left_;
        if (top.s_axi_gp_rvalid && (write_ || !waits)) violation("GP0 answers a read that nobody asked for");
        if (top.s_axi_gp_bvalid && (!write_ || !waits)) violation("GP0 answers a write that is not whole");
        if (write_ ? top.s_axi_gp_bvalid && top.s_axi_gp_bready : top.s_axi_gp_rvalid && top.s_axi_gp_rready) {
            const unsigned id = write_ ? top.s_axi_gp_bid : top.s_axi_gp_rid;
            if (id != id_) violation("GP0 answers with ID " + hex(id) + ", asked with " + hex(id_));
            if (!write_ && !top.s_axi_gp_rlast) violation("GP0 answers a single read without RLAST");
            response_ = write_ ? top.s_axi_gp_bresp : top.s_axi_gp_rresp;
            if (!write_) value_ = top.s_axi_gp_rdata;
            finished_ = true;
        }
        if (write_ ? top.s_axi_gp_awvalid && top.s_axi_gp_awready : top.s_axi_gp_arvalid && top.s_axi_gp_arready)
            address_left_ = false;
        if (top.s_axi_gp_wvalid && top.s_axi_gp_wready) data_left_ = false;
        if (address_delay_) --address_delay_;
        if (data_delay_) --data_delay_;
    }

  private:
    const Timing timing_;
    Random random_;
    uint32_t id_ = 0, address_ = 0, value_ = 0;
    unsigned response_ = 0, address_delay_ = 0, data_delay_ = 0;
    bool write_ = false, address_left_ = false, data_left_ = false, finished_ = true;
};
