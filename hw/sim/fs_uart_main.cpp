// Drives a board's top at its UART pins; a host talks to it over this program's stdin and stdout.
//
// stdin carries pairs of bytes: an operation, and its data.
//   0  send the byte
//   1  send the byte with a low stop bit (a framing error)
//   2  leave the line idle for 16 * data bit times
//   3  the same with the reset button pressed
// stdout carries the bytes that the device sends. A stop bit that is low ends the program with exit code 3.
//
// Plus-arguments: +bit=<clocks of one bit of the host, may be a fraction> +gap=<largest random pause before
// a byte, in bits> +seed=<n> +idle=<clocks without any activity after which time stands still until the
// host sends something>. The end of stdin ends the program.
//
// The top's pins are named by macros: PIN_CLK, PIN_RX (the device receives), PIN_TX (the device sends),
// PIN_RESET (high while the button is pressed).
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr unsigned long POLL_CLOCKS = 64;
// The device holds itself in reset for some clocks after power-up; a host is never that quick.
constexpr unsigned long POWER_UP_CLOCKS = 256;

struct Operation {
    uint8_t code;
    uint8_t data;
};

double argument(VerilatedContext& context, const char* name, double fallback) {
    const std::string key = std::string(name) + "=";
    const std::string match = context.commandArgsPlusMatch(key.c_str());
    return match.empty() ? fallback : std::atof(match.c_str() + key.size() + 1);
}

// Turns bytes into levels of the line, one clock at a time. Bits may last a fraction of a clock more or
// less: edges fall on the nearest clock.
class Sender {
  public:
    Sender(double bit_clocks, int max_gap_bits, unsigned seed)
        : bit_clocks_(bit_clocks), max_gap_bits_(max_gap_bits), random_(seed) {}

    void push(Operation operation) { queue_.push_back(operation); }
    bool busy() const { return bits_ > 0 || !queue_.empty(); }
    bool pressed() const { return pressed_ && bits_ > 0; }
    bool hungry() const { return queue_.size() < 1024; }

    bool clock() {
        if (bits_ == 0 && !queue_.empty()) begin();
        if (bits_ == 0) return true;
        const bool level = (levels_ >> position_) & 1;
        elapsed_ += 1;
        while (elapsed_ >= bit_clocks_ && bits_ > 0) {
            elapsed_ -= bit_clocks_;
            if (++position_ > 10) position_ = 10;  // pauses stay at the level of position 10, which is high
            --bits_;
        }
        return level;
    }

  private:
    void begin() {
        const Operation operation = queue_.front();
        queue_.pop_front();
        const int gap = max_gap_bits_ > 0 ? static_cast<int>(random_() % (max_gap_bits_ + 1)) : 0;
        elapsed_ = 0;
        pressed_ = operation.code == 3;
        if (operation.code >= 2) {
            levels_ = ~0u;
            position_ = 0;
            bits_ = 16l * operation.data;
            return;
        }
        const unsigned stop = operation.code == 1 ? 0u : 1u;
        // start, 8 data bits, stop, then high for the pause
        levels_ = (unsigned{operation.data} << 1) | (stop << 9) | (1u << 10);
        position_ = 0;
        bits_ = 10 + gap + (stop ? 0 : 2);
    }

    const double bit_clocks_;
    const int max_gap_bits_;
    std::mt19937 random_;
    std::deque<Operation> queue_;
    unsigned levels_ = 0;
    int position_ = 0;
    long bits_ = 0;
    double elapsed_ = 0;
    bool pressed_ = false;
};

// Samples the device's line in the middle of every bit.
class Receiver {
  public:
    explicit Receiver(double bit_clocks) : bit_clocks_(bit_clocks) {}

    bool busy() const { return active_; }

    void clock(bool level) {
        if (!active_) {
            if (level) return;
            active_ = true;
            count_ = 0;
            bit_ = 0;
            value_ = 0;
        }
        count_ += 1;
        if (count_ < bit_clocks_ * (bit_ + 0.5)) return;
        if (bit_ >= 1 && bit_ <= 8) value_ |= unsigned{level} << (bit_ - 1);
        if (bit_ == 9) {
            if (!level) {
                std::fprintf(stderr, "the device sent a byte without a stop bit\n");
                std::exit(3);
            }
            active_ = false;
            const uint8_t byte = static_cast<uint8_t>(value_);
            if (write(1, &byte, 1) != 1) std::exit(0);  // the host is gone
        }
        ++bit_;
    }

  private:
    const double bit_clocks_;
    bool active_ = false;
    double count_ = 0;
    int bit_ = 0;
    unsigned value_ = 0;
};

// Reads pairs of bytes from stdin; false at its end.
bool receive(Sender& sender, bool wait) {
    static uint8_t held;
    static bool have = false;
    pollfd descriptor{0, POLLIN, 0};
    if (poll(&descriptor, 1, wait ? -1 : 0) <= 0) return true;
    uint8_t buffer[4096];
    const ssize_t size = read(0, buffer, sizeof buffer);
    if (size <= 0) return false;
    for (ssize_t i = 0; i < size; ++i) {
        if (have) sender.push({held, buffer[i]});
        held = buffer[i];
        have = !have;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    const double bit_clocks = argument(*context, "bit", 8);
    Sender sender(bit_clocks, static_cast<int>(argument(*context, "gap", 0)),
                  static_cast<unsigned>(argument(*context, "seed", 1)));
    Receiver receiver(bit_clocks);
    const auto idle_clocks = static_cast<unsigned long>(argument(*context, "idle", 1e5));

    const auto top = std::make_unique<Vtop>(context.get());
    top->PIN_RX = 1;
    unsigned long quiet = 0;
    for (unsigned long clock = 0; !context->gotFinish(); ++clock) {
        top->PIN_CLK = 0;
        top->eval();
        context->timeInc(1);
        top->PIN_RX = sender.clock();
        top->PIN_RESET = sender.pressed();
        top->PIN_CLK = 1;
        top->eval();
        context->timeInc(1);
        receiver.clock(top->PIN_TX);
        quiet = sender.busy() || receiver.busy() ? 0 : quiet + 1;
        const bool stand_still = quiet > idle_clocks;
        if (clock < POWER_UP_CLOCKS) continue;
        if (stand_still || (clock % POLL_CLOCKS == 0 && sender.hungry())) {
            if (!receive(sender, stand_still)) break;
            if (stand_still) quiet = 0;
        }
    }
    top->final();
    return 0;
}
