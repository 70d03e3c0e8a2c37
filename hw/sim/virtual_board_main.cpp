// The virtual board: fs_axi_accelerator with a processor's register port and memory around it. A host talks
// to it over this program's stdin and stdout; clocks pass only while a command needs them.
//
// Numbers are little-endian. A request is a code (1 byte), the size of its payload (4 bytes) and the payload;
// a reply is 0 or 1 (1 byte: done, refused), a size and a payload, for a refusal the reason as text.
//
//   code                 payload                                        reply
//   1 read register      u32 address                                    u32 value, u8 response
//   2 write register     u32 address, u32 value                         u8 response
//   3 map memory         u32 address, u32 size, u64 seed of its content
//   4 unmap memory       u32 address
//   5 read memory        u32 address, u32 size                          the bytes
//   6 write memory       u32 address, the bytes
//   7 run                u64 clocks at most, u8 stop at the interrupt   u64 clocks that passed, u8 interrupt
//   8 statistics                                                        8 u64: see `statistics`
//   9 reset (power-up)
//
// Plus-arguments: +seed=<n>, and the timing of memory: +read_latency= +write_latency= +jitter= (clocks),
// +outstanding= (bursts), +stall_address= +stall_data= (probability of 256). Exit 0: stdin ended. 2: a broken
// request. 3: a register access was not answered. 4: the design broke the protocol; stderr says how.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"
#include "virtual_board_memory.h"
#include "virtual_board_port.h"

namespace {

constexpr unsigned RESET_CLOCKS = 16;
// An access that is not answered after so many clocks hangs.
constexpr unsigned ACCESS_CLOCKS = 100'000;
constexpr uint32_t MAX_PAYLOAD = 1u << 30;

[[noreturn]] void fail(int code, const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    std::exit(code);
}

uint64_t argument(VerilatedContext& context, const char* name, uint64_t fallback) {
    const std::string key = std::string(name) + "=";
    const std::string match = context.commandArgsPlusMatch(key.c_str());
    return match.empty() ? fallback : std::strtoull(match.c_str() + key.size() + 1, nullptr, 10);
}

Timing timing_of(VerilatedContext& context) {
    Timing t;
    const auto set = [&](const char* name, unsigned& value) {
        value = static_cast<unsigned>(argument(context, name, value));
    };
    set("read_latency", t.read_latency);
    set("write_latency", t.write_latency);
    set("jitter", t.jitter);
    set("stall_address", t.stall_address);
    set("stall_data", t.stall_data);
    set("outstanding", t.outstanding);
    return t;
}

class Board {
  public:
    explicit Board(VerilatedContext& context)
        : timing_(timing_of(context)),
          seed_(argument(context, "seed", 1)),
          top_(std::make_unique<Vtop>(&context)),
          memory_port_(memory, timing_, seed_ * 2 + 1),
          registers_(timing_, seed_ * 2 + 2) {
        reset();
    }
    ~Board() { top_->final(); }

    Memory memory;

    void reset() {
        memory_port_.reset();
        top_->rst_n = 0;
        for (unsigned i = 0; i < RESET_CLOCKS; ++i) {
            top_->clk = 0;
            top_->eval();
            top_->clk = 1;
            top_->eval();
        }
        top_->rst_n = 1;
    }

    // Returns the response; `value` becomes what was read.
    unsigned access(bool write, uint32_t address, uint32_t& value) {
        registers_.start(write, address, value);
        for (unsigned clock = 0; !registers_.finished(); ++clock) {
            if (clock == ACCESS_CLOCKS)
                fail(3, std::string(write ? "a write to" : "a read of") + " the register at " + hex(address) +
                            " was not answered in " + std::to_string(ACCESS_CLOCKS) + " clocks");
            step();
        }
        value = registers_.value();
        return registers_.response();
    }

    uint64_t run(uint64_t clocks, bool until_interrupt) {
        const auto begun = std::chrono::steady_clock::now();
        uint64_t passed = 0;
        while (passed < clocks && !(until_interrupt && top_->irq)) {
            step();
            ++passed;
        }
        nanoseconds_ += std::chrono::nanoseconds(std::chrono::steady_clock::now() - begun).count();
        run_clocks_ += passed;
        return passed;
    }
    bool interrupt() const { return top_->irq; }

    // Clocks in all, clocks and nanoseconds of `run`, bursts and beats read, bursts and beats written, errors.
    std::vector<uint64_t> statistics() const {
        const MemoryCounts& c = memory_port_.counts;
        return {clock_,        run_clocks_,    static_cast<uint64_t>(nanoseconds_), c.read_bursts, c.read_beats,
                c.write_bursts, c.write_beats, c.errors};
    }

  private:
    void step() {
        memory_port_.drive(*top_, clock_);
        registers_.drive(*top_);
        top_->clk = 0;
        top_->eval();
        memory_port_.sample(*top_, clock_);
        registers_.sample(*top_);
        top_->clk = 1;
        top_->eval();
        ++clock_;
    }

    const Timing timing_;
    const uint64_t seed_;
    std::unique_ptr<Vtop> top_;
    MemoryPort memory_port_;
    RegisterPort registers_;
    uint64_t clock_ = 0, run_clocks_ = 0;
    int64_t nanoseconds_ = 0;
};

// -- the protocol ------------------------------------------------------------------------------------

// False at the end of stdin.
bool read_exactly(void* data, size_t size) {
    const size_t got = std::fread(data, 1, size, stdin);
    if (got == size) return true;
    if (got == 0 && std::feof(stdin)) return false;
    fail(2, "stdin ended in the middle of a request");
}

class Request {
  public:
    explicit Request(std::vector<uint8_t> payload) : payload_(std::move(payload)) {}
    template <class T>
    T take() {
        T value;
        if (left() < sizeof value) fail(2, "a request is too short");
        std::memcpy(&value, payload_.data() + position_, sizeof value);
        position_ += sizeof value;
        return value;
    }
    const uint8_t* rest() const { return payload_.data() + position_; }
    size_t left() const { return payload_.size() - position_; }

  private:
    std::vector<uint8_t> payload_;
    size_t position_ = 0;
};

class Reply {
  public:
    template <class T>
    Reply& put(T value) {
        return put(&value, sizeof value);
    }
    Reply& put(const void* data, size_t size) {
        const auto* bytes = static_cast<const uint8_t*>(data);
        payload_.insert(payload_.end(), bytes, bytes + size);
        return *this;
    }
    Reply& refuse(const std::string& why) {
        refused_ = 1;
        payload_.assign(why.begin(), why.end());
        return *this;
    }
    void send() const {
        const auto size = static_cast<uint32_t>(payload_.size());
        const bool sent = std::fwrite(&refused_, 1, 1, stdout) == 1 && std::fwrite(&size, 4, 1, stdout) == 1 &&
                          std::fwrite(payload_.data(), 1, size, stdout) == size && std::fflush(stdout) == 0;
        if (!sent) std::exit(0);  // the host is gone
    }

  private:
    uint8_t refused_ = 0;
    std::vector<uint8_t> payload_;
};

std::string no_memory(uint64_t address, uint64_t size) {
    return "there is no memory at " + hex(address) + " to " + hex(address + size);
}

void answer_memory(Board& board, uint8_t code, Request& request, Reply& reply) {
    const auto address = request.take<uint32_t>();
    if (code == 3) {
        const auto size = request.take<uint32_t>();
        if (!board.memory.map(address, size, request.take<uint64_t>()))
            reply.refuse("memory at " + hex(address) + " to " + hex(uint64_t{address} + size) + " cannot be mapped");
    } else if (code == 4) {
        if (!board.memory.unmap(address)) reply.refuse("no memory was mapped at " + hex(address));
    } else {
        const size_t size = code == 5 ? request.take<uint32_t>() : request.left();
        uint8_t* bytes = board.memory.find(address, size);
        if (!bytes) reply.refuse(no_memory(address, size));
        else if (code == 5) reply.put(bytes, size);
        else std::memcpy(bytes, request.rest(), size);
    }
}

void answer(Board& board, uint8_t code, Request& request, Reply& reply) {
    uint32_t value = 0;
    switch (code) {
        case 1: {
            const unsigned response = board.access(false, request.take<uint32_t>(), value);
            reply.put(value).put(static_cast<uint8_t>(response));
            break;
        }
        case 2: {
            const auto address = request.take<uint32_t>();
            value = request.take<uint32_t>();
            reply.put(static_cast<uint8_t>(board.access(true, address, value)));
            break;
        }
        case 3:
        case 4:
        case 5:
        case 6: answer_memory(board, code, request, reply); break;
        case 7: {
            const auto clocks = request.take<uint64_t>();
            const uint64_t passed = board.run(clocks, request.take<uint8_t>() != 0);
            reply.put(passed).put(static_cast<uint8_t>(board.interrupt()));
            break;
        }
        case 8:
            for (const uint64_t number : board.statistics()) reply.put(number);
            break;
        case 9: board.reset(); break;
        default: fail(2, "unknown request " + std::to_string(code));
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    Board board(*context);
    uint8_t code = 0;
    while (read_exactly(&code, 1)) {
        uint32_t size = 0;
        if (!read_exactly(&size, 4)) fail(2, "stdin ended in the middle of a request");
        if (size > MAX_PAYLOAD) fail(2, "a request of " + std::to_string(size) + " bytes");
        std::vector<uint8_t> payload(size);
        if (size && !read_exactly(payload.data(), size)) fail(2, "stdin ended in the middle of a request");
        Request request(std::move(payload));
        Reply reply;
        answer(board, code, request, reply);
        reply.send();
    }
    return 0;
}
