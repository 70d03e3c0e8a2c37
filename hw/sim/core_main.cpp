// Streams frames through finnspect_sim and watches every internal stream.
//
//   Vtop <images> <output folder> <frames> [--stall-in <p>] [--stall-out <p>] [--seed <n>]
//        [--quiet <cycles>] [--limit <cycles>] [--report <frames>] [--interval <cycles>]
//
// images: frames * INPUT_BEATS * INPUT_BYTES bytes. The output folder gets logits.bin (int32), frames.bin
// (uint64 pairs: cycle of a frame's first beat in, of its last logit out), links.bin (uint64 triples a
// link: transfers, valid without ready, ready without valid), fifos.bin (uint64 a FIFO: most beats it held), run.txt (cycles and seconds), and in a
// probe build stream_<link>.bin (uint32 words of every beat). Prints "frame <n>" as frames finish.
// --interval spreads the input's beats evenly over so many cycles a frame; 0: as fast as they are taken.
//
// Exit 0: done. 3: nothing moved for --quiet cycles, or --limit cycles passed; stderr lists the links as
// "stuck <net>" (valid, not ready), "starved <net>" (ready, not valid) or "idle <net>". 4: a stream broke
// its protocol, stderr says which and how. 2: bad arguments or files.
//
// One cycle: inputs change while the clock is low, handshakes are read, then the clock rises.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "core_config.h"
#include "verilated.h"

namespace {

constexpr unsigned WORDS = (LINKS + 63) / 64;

struct Options {
    std::string images, folder;
    uint64_t frames = 0;
    uint32_t stall_in = 0, stall_out = 0;  // probability * 2^32
    uint64_t seed = 1, quiet = 20000, limit = UINT64_MAX, report = 0, interval = 0;
};

[[noreturn]] void fail(int code, const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    std::exit(code);
}

Options parse(int argc, char** argv) {
    Options options;
    std::vector<std::string> places;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word.rfind("+", 0) == 0) continue;  // for Verilator's runtime
        if (word.rfind("--", 0) != 0) {
            places.push_back(word);
            continue;
        }
        if (++i == argc) fail(2, word + " needs a value");
        const auto probability = [&] { return static_cast<uint32_t>(std::strtod(argv[i], nullptr) * 4294967295.0); };
        const auto number = [&] { return std::strtoull(argv[i], nullptr, 10); };
        if (word == "--stall-in") options.stall_in = probability();
        else if (word == "--stall-out") options.stall_out = probability();
        else if (word == "--seed") options.seed = number();
        else if (word == "--quiet") options.quiet = number();
        else if (word == "--limit") options.limit = number();
        else if (word == "--report") options.report = number();
        else if (word == "--interval") options.interval = number();
        else fail(2, "unknown option " + word);
    }
    if (places.size() != 3) fail(2, "expected: <images> <output folder> <frames>");
    options.images = places[0];
    options.folder = places[1];
    options.frames = std::strtoull(places[2].c_str(), nullptr, 10);
    return options;
}

std::vector<uint8_t> read_file(const std::string& path, size_t bytes) {
    std::vector<uint8_t> data(bytes);
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file || std::fread(data.data(), 1, bytes, file) != bytes)
        fail(2, path + ": expected " + std::to_string(bytes) + " bytes");
    std::fclose(file);
    return data;
}

template <class T>
void write_file(const std::string& path, const std::vector<T>& data) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data.data(), sizeof(T), data.size(), file) != data.size() || std::fclose(file))
        fail(2, "cannot write " + path);
}

class Random {  // splitmix64
  public:
    explicit Random(uint64_t seed) : state_(seed) {}
    bool hit(uint32_t probability) {
        if (!probability) return false;
        uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return static_cast<uint32_t>(z >> 32) < probability;
    }

  private:
    uint64_t state_;
};

// Counts each of 64 flags at once: bit k of all counters sits in plane k, so a step costs about two
// operations whatever the number of flags.
class Counters {
  public:
    void add(uint64_t flags) {
        for (unsigned k = 0; flags; ++k) {
            const uint64_t carry = planes_[k] & flags;
            planes_[k] ^= flags;
            flags = carry;
        }
    }
    uint64_t value(unsigned flag) const {
        uint64_t total = 0;
        for (unsigned k = 0; k < 64; ++k) total |= ((planes_[k] >> flag) & 1) << k;
        return total;
    }

  private:
    uint64_t planes_[64] = {};
};

struct Links {
    uint64_t valid[WORDS] = {}, ready[WORDS] = {}, blocked[WORDS] = {}, moves[WORDS] = {};
    Counters moved[WORDS], stuck[WORDS], starved[WORDS];

    // Reads this cycle's handshakes; returns whether anything moves.
    bool sample(const Vtop& top, uint64_t cycle) {
        static_assert(sizeof(top.link_valid) <= sizeof(valid), "links fit their words");
        std::memcpy(valid, &top.link_valid, sizeof(top.link_valid));
        std::memcpy(ready, &top.link_ready, sizeof(top.link_ready));
        uint64_t any = 0;
        for (unsigned w = 0; w < WORDS; ++w) {
            if (const uint64_t dropped = blocked[w] & ~valid[w])
                fail(4, std::string("valid fell before ready on ") + LINK_NAMES[64 * w + __builtin_ctzll(dropped)] +
                            " in cycle " + std::to_string(cycle));
            const uint64_t move = moves[w] = valid[w] & ready[w];
            blocked[w] = valid[w] & ~ready[w];
            moved[w].add(move);
            stuck[w].add(blocked[w]);
            starved[w].add(ready[w] & ~valid[w]);
            any |= move;
        }
        return any != 0;
    }

    [[noreturn]] void deadlock(const std::string& why) const {
        std::fprintf(stderr, "%s\n", why.c_str());
        for (unsigned i = 0; i < LINKS; ++i) {
            const bool v = (valid[i / 64] >> (i % 64)) & 1, r = (ready[i / 64] >> (i % 64)) & 1;
            std::fprintf(stderr, "%s %s\n", v && !r ? "stuck" : r && !v ? "starved" : "idle", LINK_NAMES[i]);
        }
        std::exit(3);
    }
};

// How many beats each FIFO holds, from the handshakes at its two ends.
class Fifos {
  public:
    void sample(const Links& links) {
        for (unsigned i = 0; i < FIFOS; ++i) {
            const auto moved = [&](unsigned link) { return (links.moves[link / 64] >> (link % 64)) & 1; };
            held_[i] += moved(FIFO_LINKS[i].in);
            if (held_[i] > peaks[i]) peaks[i] = held_[i];
            held_[i] -= moved(FIFO_LINKS[i].out);
        }
    }
    std::vector<uint64_t> peaks = std::vector<uint64_t>(FIFOS);

  private:
    std::vector<uint64_t> held_ = std::vector<uint64_t>(FIFOS);
};

#if CORE_PROBE
// Writes every beat of every link, and checks that a beat keeps still while it waits.
class Probe {
  public:
    explicit Probe(const std::string& folder) {
        for (unsigned i = 0; i < LINKS; ++i) {
            const std::string path = folder + "/stream_" + std::to_string(i) + ".bin";
            files_[i] = std::fopen(path.c_str(), "wb");
            if (!files_[i]) fail(2, "cannot write " + path);
        }
    }
    void sample(const Vtop& top, const Links& links, uint64_t cycle) {
        std::memcpy(now_.data(), &top.probe, sizeof(top.probe));
        for (unsigned i = 0; i < LINKS; ++i) {
            if (!((links.valid[i / 64] >> (i % 64)) & 1)) continue;
            const uint32_t* data = &now_[PROBES[i].first_word];
            const size_t bytes = 4 * PROBES[i].words;
            if (held_[i] && std::memcmp(data, &last_[PROBES[i].first_word], bytes))
                fail(4, std::string("data changed while waiting on ") + LINK_NAMES[i] + " in cycle " +
                            std::to_string(cycle));
            held_[i] = !((links.ready[i / 64] >> (i % 64)) & 1);
            if (!held_[i] && std::fwrite(data, 1, bytes, files_[i]) != bytes) fail(2, "cannot write a probe file");
        }
        last_ = now_;
    }
    void close() {
        for (std::FILE* file : files_)
            if (std::fclose(file)) fail(2, "cannot write a probe file");
    }

  private:
    static constexpr size_t SIZE = sizeof(Vtop::probe) / 4 + 2;
    std::vector<uint32_t> now_ = std::vector<uint32_t>(SIZE), last_ = now_;
    bool held_[LINKS] = {};
    std::FILE* files_[LINKS];
};
#endif

class Run {
  public:
    Run(VerilatedContext& context, const Options& options)
        : options_(options),
          images_(read_file(options.images, options.frames * INPUT_BEATS * INPUT_BYTES)),
          random_(options.seed),
          top_(std::make_unique<Vtop>(&context)),
#if CORE_PROBE
          probe_(options.folder),
#endif
          logits_(options.frames * CLASSES),
          times_(2 * options.frames) {
    }

    void reset() {
        top_->rst_n = 0;
        top_->s_axis_tvalid = 0;
        top_->m_axis_tready = 0;
        for (int i = 0; i < 8; ++i) {
            top_->clk = 0;
            top_->eval();
            top_->clk = 1;
            top_->eval();
        }
        top_->rst_n = 1;
    }

    // Until every frame is out and the core has been quiet for a while.
    void stream() {
        const uint64_t outputs = options_.frames * CLASSES;
        uint64_t quiet = 0;
        while (received_ < outputs || quiet < 64) {
            quiet = step() ? 0 : quiet + 1;
            if (received_ < outputs && quiet >= options_.quiet)
                links_.deadlock("nothing moved for " + std::to_string(quiet) + " cycles after " + progress());
            if (cycle_ >= options_.limit)
                links_.deadlock("stopped at " + std::to_string(cycle_) + " cycles after " + progress());
        }
    }

    void write(double seconds) {
        std::vector<uint64_t> counts;
        for (unsigned i = 0; i < LINKS; ++i)
            for (const Counters* each : {links_.moved, links_.stuck, links_.starved})
                counts.push_back(each[i / 64].value(i % 64));
        write_file(options_.folder + "/logits.bin", logits_);
        write_file(options_.folder + "/frames.bin", times_);
        write_file(options_.folder + "/links.bin", counts);
        write_file(options_.folder + "/fifos.bin", fifos_.peaks);
        const std::string text = std::to_string(cycle_) + " " + std::to_string(seconds) + "\n";
        write_file(options_.folder + "/run.txt", std::vector<char>(text.begin(), text.end()));
#if CORE_PROBE
        probe_.close();
#endif
        top_->final();
    }

  private:
    std::string progress() const {
        return std::to_string(sent_) + " beats in and " + std::to_string(received_) + " logits out";
    }

    bool step() {
        drive();
        top_->clk = 0;
        top_->eval();
        const bool moved = links_.sample(*top_, cycle_);
        fifos_.sample(links_);
#if CORE_PROBE
        probe_.sample(*top_, links_, cycle_);
#endif
        if (top_->s_axis_tvalid && top_->s_axis_tready) accept();
        if (top_->m_axis_tvalid && top_->m_axis_tready) collect();
        top_->clk = 1;
        top_->eval();
        ++cycle_;
        return moved;
    }

    void drive() {
        const bool due = cycle_ * INPUT_BEATS >= sent_ * options_.interval;
        if (!offering_ && due && sent_ < options_.frames * INPUT_BEATS && !random_.hit(options_.stall_in)) {
            std::memcpy(&top_->s_axis_tdata, &images_[sent_ * INPUT_BYTES], INPUT_BYTES);
            offering_ = true;
        }
        top_->s_axis_tvalid = offering_;
        top_->m_axis_tready = !random_.hit(options_.stall_out);
    }

    void accept() {
        if (sent_ % INPUT_BEATS == 0) times_[2 * (sent_ / INPUT_BEATS)] = cycle_;
        ++sent_;
        offering_ = false;
    }

    void collect() {
        if (received_ == options_.frames * CLASSES) fail(4, "more logits than frames * classes came out");
        const bool last = received_ % CLASSES == CLASSES - 1;
        if (last != static_cast<bool>(top_->m_axis_tlast))
            fail(4, "tlast is wrong at logit " + std::to_string(received_));
        logits_[received_] = static_cast<int32_t>(top_->m_axis_tdata);
        const uint64_t frame = received_++ / CLASSES;
        if (!last) return;
        times_[2 * frame + 1] = cycle_;
        if (options_.report && (frame + 1) % options_.report == 0) {
            std::printf("frame %llu\n", static_cast<unsigned long long>(frame + 1));
            std::fflush(stdout);
        }
    }

    const Options& options_;
    std::vector<uint8_t> images_;
    Random random_;
    std::unique_ptr<Vtop> top_;
    Links links_;
    Fifos fifos_;
#if CORE_PROBE
    Probe probe_;
#endif
    std::vector<int32_t> logits_;
    std::vector<uint64_t> times_;
    uint64_t cycle_ = 0, sent_ = 0, received_ = 0;
    bool offering_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse(argc, argv);
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    Run run(*context, options);
    const auto begun = std::chrono::steady_clock::now();
    run.reset();
    run.stream();
    run.write(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
    return 0;
}
