// translate --step: greedy search with DecodingSteps, and the cross-attention map drawn anew after every token.
#pragma once
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>
#include <vitrine/generate/generate.hpp>
#include <vitrine/inspect/terminal.hpp>

#include "aligning_head.hpp"
#include "seq2seq_folder.hpp"

namespace frames {

namespace vt = vitrine;
using vt::Index;

// On a terminal each picture takes the place of the one before it; anywhere else they follow each other.
class Screen {
 public:
  Screen() : options_(vt::inspect::terminal_options()), terminal_(isatty(STDOUT_FILENO) != 0) {
    options_.scale = vt::inspect::Scale::one;  // a cell keeps its shade when a larger weight comes later
    const char* const term = std::getenv("TERM");
    terminal_ = terminal_ && term != nullptr && std::string(term) != "dumb";
    winsize size{};
    if (!terminal_ || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return;
    options_.width = std::min<Index>(options_.width, size.ws_col - 1);
    options_.height = std::clamp<Index>(Index(size.ws_row) - 16, 4, options_.height);
  }
  const vt::inspect::TerminalOptions& options() const { return options_; }

  void show(const std::string& picture) {
    if (terminal_ && lines_ > 0) std::printf("\x1b[%tdA\x1b[J", lines_);
    std::fputs(picture.c_str(), stdout);
    if (!terminal_) std::fputc('\n', stdout);
    std::fflush(stdout);
    lines_ = std::count(picture.begin(), picture.end(), '\n');
    if (terminal_) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }

 private:
  vt::inspect::TerminalOptions options_;
  bool terminal_;
  Index lines_ = 0;
};

// The ids that greedy search finds for one line, by generate()'s rules; after each of them the head's map so
// far is shown: a row for each token, a column for each token of the source.
inline std::vector<Index> step(Seq2SeqFolder& folder, const vt::GenerationConfig& config,
                               const vt::corpus::Line& source, const translate::Head& head) {
  vt::DecodingSteps<float> steps(folder.model(), folder.workspace(), {.max_length = config.limit() - 1});
  steps.begin(vt::Tokens(source.ids));
  const auto keep = vt::keep::weights.only(head.selection());

  Screen screen;
  std::vector<Index> ids{config.decoder_start_token_id};
  std::vector<std::string> tokens;
  std::vector<float> map;
  const Index columns = Index(source.ids.size());
  do {
    auto next = steps.next(std::span(&ids.back(), 1), keep);
    const auto row = next.cross_attn[head.layer].matrix(0, head.head);
    map.insert(map.end(), row.data(), row.data() + columns);
    float* const logits = next.output.data();
    vt::detail::check_logits(vt::log_norm(logits, next.output.width()));
    vt::apply_rules<float>(config, ids, 1, {logits, std::size_t(next.output.width())});
    ids.push_back(vt::argmax(logits, next.output.width()));
    tokens.push_back(folder.reader().token(ids.back()));
    screen.show(vt::inspect::terminal_heatmap(map.data(), Index(tokens.size()), columns, tokens, source.tokens,
                                              screen.options()));
  } while (!config.is_end(ids.back()) && Index(ids.size()) < config.limit());
  ids.erase(ids.begin());
  return ids;
}

}  // namespace frames
