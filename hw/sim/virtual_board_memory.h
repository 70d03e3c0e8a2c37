// Memory of the virtual board: what the accelerator's AXI3 master port sees.
//
// Memory exists where a host has mapped it; an access elsewhere is answered with DECERR. Answers come in
// order, as the HP ports give them to a single ID. Whatever AXI3 does not allow the master to do ends the
// program with exit code 4: it would be a fault of the hardware.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <vector>

class Random {  // splitmix64
  public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    unsigned below(unsigned limit) { return limit ? static_cast<unsigned>(next() % limit) : 0; }
    bool hit(unsigned of_256) { return of_256 && (next() & 255) < of_256; }

  private:
    uint64_t state_;
};

[[noreturn]] inline void violation(const std::string& text) {
    std::fprintf(stderr, "AXI3 violation: %s\n", text.c_str());
    std::exit(4);
}

inline std::string hex(uint64_t value) {
    char text[20];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

// Bytes by bus address, in regions that do not overlap.
class Memory {
  public:
    // False where the region is empty, ends beyond 4 GiB or overlaps another one.
    bool map(uint64_t address, uint64_t size, uint64_t seed) {
        if (size == 0 || address + size > uint64_t{1} << 32) return false;
        const auto after = regions_.upper_bound(address);
        if (after != regions_.end() && after->first < address + size) return false;
        if (after != regions_.begin()) {
            const auto before = std::prev(after);
            if (before->first + before->second.size() > address) return false;
        }
        std::vector<uint8_t> bytes(size);
        Random random(seed);  // memory that nobody has written holds anything
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
        regions_.emplace(address, std::move(bytes));
        return true;
    }
    bool unmap(uint64_t address) { return regions_.erase(address) == 1; }

    // The bytes at an address, or null unless `size` of them exist in one region.
    uint8_t* find(uint64_t address, uint64_t size) {
        auto region = regions_.upper_bound(address);
        if (region == regions_.begin()) return nullptr;
        --region;
        const uint64_t offset = address - region->first;
        if (offset + size > region->second.size()) return nullptr;
        return region->second.data() + offset;
    }

  private:
    std::map<uint64_t, std::vector<uint8_t>> regions_;
};

// How quick memory is. Probabilities are of 256, a clock.
struct Timing {
    unsigned read_latency = 30, write_latency = 10;  // clocks, at least
    unsigned jitter = 0;                             // up to so many clocks more
    unsigned stall_address = 0, stall_data = 0;      // not ready; no beat to give
    unsigned outstanding = 8;                        // bursts of a kind, as an HP port takes
};

struct MemoryCounts {
    uint64_t read_bursts = 0, read_beats = 0, write_bursts = 0, write_beats = 0, errors = 0;
};

struct Burst {
    uint32_t id = 0, address = 0, beats = 0;
    uint64_t due = 0;  // clock of its first beat, or of its response
    uint32_t done = 0;
    bool failed = false;
};

// A master's side of an address channel in one clock.
struct AddressChannel {
    bool valid;
    uint32_t id, address, len, size, burst, lock;
    bool operator==(const AddressChannel& o) const {
        return valid == o.valid && id == o.id && address == o.address && len == o.len && size == o.size &&
               burst == o.burst && lock == o.lock;
    }
};

struct DataChannel {
    bool valid;
    uint32_t id;
    uint64_t data;
    uint32_t strobes;
    bool last;
    bool operator==(const DataChannel& o) const {
        return valid == o.valid && id == o.id && data == o.data && strobes == o.strobes && last == o.last;
    }
};

// What an AXI3 master must keep to on a 64-bit port.
inline Burst check_burst(const AddressChannel& a, const char* what) {
    const std::string name = std::string(what) + " of " + std::to_string(a.len + 1) + " beats at " + hex(a.address);
    if (a.size != 3) violation(name + ": AxSIZE is " + std::to_string(a.size) + ", the port is 64 bits wide");
    if (a.burst != 1) violation(name + ": AxBURST is " + std::to_string(a.burst) + ", not INCR");
    if (a.lock != 0) violation(name + ": AxLOCK is " + std::to_string(a.lock));
    if (a.len > 15) violation(name + ": more than 16 beats");
    if (a.address % 8) violation(name + ": not aligned");
    if (a.address / 4096 != (a.address + 8 * a.len + 7) / 4096) violation(name + ": crosses 4 KiB");
    Burst burst;
    burst.id = a.id;
    burst.address = a.address;
    burst.beats = a.len + 1;
    return burst;
}

// A payload keeps still and stays valid until it is taken.
template <class Channel>
class Still {
  public:
    void check(const Channel& now, bool ready, const char* name) {
        if (waiting_ && !(now == last_)) violation(std::string(name) + " changed before it was taken");
        waiting_ = now.valid && !ready;
        last_ = now;
    }
    void forget() { waiting_ = false; }

  private:
    Channel last_{};
    bool waiting_ = false;
};
