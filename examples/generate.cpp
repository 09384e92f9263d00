// Continues texts with a causal language model, a word at a time where asked for, with its attention maps.
//   build/examples/generate --model Qwen2.5-0.5B --prompt "The capital of France is" --stream --maps attention.html
#include <algorithm>
#include <memory>
#include <vitrine/vitrine.hpp>

#include "causal_folder.hpp"
#include "generate_options.hpp"
#include "maps_file.hpp"

namespace generate {

namespace corpus = vt::corpus;

// A text that grows, shown as far as no later token can change it: up to the last blank.
class Stream {
 public:
  explicit Stream(const corpus::Reader& reader) : reader_(reader) {}
  void begin(const std::vector<Index>& prompt, std::string shown) { ids_ = prompt, shown_ = std::move(shown); }
  void add(Index id) {
    ids_.push_back(id);
    const std::string text = reader_.text(ids_);
    show(text, std::min(text.rfind(' '), text.size()));
  }
  void end(const std::string& text) {
    show(text, text.size());
    corpus::StdoutRows::write("\n");
  }

 private:
  void show(const std::string& text, std::size_t end) {
    if (end <= shown_.size() || text.compare(0, shown_.size(), shown_) != 0) return;
    corpus::StdoutRows::write(std::string_view(text).substr(shown_.size(), end - shown_.size()));
    shown_ = text.substr(0, end);
  }
  const corpus::Reader& reader_;
  std::vector<Index> ids_;
  std::string shown_;
};

// One line out for each line.
class Generation final : public corpus::Job {
 public:
  Generation(CausalFolder& folder, const Options& options)
      : options_(options),
        folder_(folder),
        config_(configured(options, folder.config())),
        maps_(options.maps),
        stream_(folder.reader()) {
    vt::throw_if_failed(vt::check(config_, folder.model().vocab_size(), 0));
    if (options.stream) config_.streamer = [this](Index, Index id) { return stream_.add(id), true; };
  }
  const vt::GenerationConfig& config() const { return config_; }
  void finish() { maps_.finish(model_name(options_.model)); }

  corpus::Line read(corpus::Text text, Index number) const override {
    corpus::Line line = folder_.reader().read(std::move(text), number);
    if (line.usable()) line.error = no_room(Index(line.ids.size()));
    if (!line.error.empty()) line.ids.clear(), line.tokens.clear();
    return line;
  }
  std::string empty_row(const corpus::Line&) const override { return "\n"; }
  void compute(const corpus::Pool& pool, std::span<const std::size_t> batch, std::span<std::string> rows) override {
    corpus::Packed packed;
    vt::GenerationConfig config = config_;
    for (const std::size_t i : batch) {
      packed.add(pool.sources[i].ids);
      config.sequence_numbers.push_back(pool.sources[i].number);
    }
    if (options_.stream) {
      const corpus::Line& line = pool.sources[batch[0]];
      stream_.begin(line.ids, options_.skip_prompt ? folder_.reader().text(line.ids) : "");
    }
    const auto write = [&](auto&& found) {
      for (std::size_t b = 0; b < batch.size(); ++b)
        rows[batch[b]] = row(pool.sources[batch[b]], std::move(found[b][0]));
    };
    if (maps_.wanted())
      write(vt::generate(folder_.model(), folder_.workspace(), packed.tokens(), config, vt::keep::weights));
    else
      write(vt::generate(folder_.model(), folder_.workspace(), packed.tokens(), config));
  }

 private:
  // Why a prompt of so many tokens cannot be continued, or "".
  std::string no_room(Index prompt) const {
    vt::GenerationConfig config = config_;
    config.max_positions = folder_.model().most_ids();
    const Index limit = config.limit(prompt), most = folder_.model().most_ids() + 1;
    const std::string has = "has " + std::to_string(prompt) + " tokens; ";
    if (limit <= prompt) return has + "max_length " + std::to_string(limit) + " leaves no room for more";
    if (limit <= most) return "";
    return has + std::to_string(limit - prompt) + " more are more than the model's " + std::to_string(most - 1) +
           " positions: see --max-new-tokens";
  }
  template <class Found>
  std::string row(const corpus::Line& line, Found&& found) {
    const corpus::Reader& reader = folder_.reader();
    std::vector<Index> ids = line.ids;
    ids.insert(ids.end(), found.ids.begin(), found.ids.end());
    std::string text = options_.json() ? as_json(found) : as_text(line, ids);
    if constexpr (requires { found.self_attn; }) {
      std::vector<std::string> tokens = line.tokens;
      for (std::size_t t = 0; t + 1 < found.ids.size(); ++t) tokens.push_back(reader.token(found.ids[t]));
      auto held = std::make_shared<std::remove_cvref_t<Found>>(std::move(found));
      inspect::Example example{.title = reader.text(ids), .groups = {}, .number = line.number};
      example.groups.push_back(inspect::map_group("decoder", held->self_attn, 0, tokens, tokens));
      maps_.add(std::move(example), held);
    }
    return text;
  }
  // The line; nothing where it was streamed.
  std::string as_text(const corpus::Line& line, const std::vector<Index>& ids) {
    const std::string whole = folder_.reader().text(ids);
    if (options_.stream) return stream_.end(whole), "";
    const std::string prompt = options_.skip_prompt ? folder_.reader().text(line.ids) : "";
    return whole.substr(whole.starts_with(prompt) ? prompt.size() : 0) + "\n";
  }
  template <class Found>
  std::string as_json(const Found& found) const {
    const nlohmann::json object = {
        {"ids", found.ids}, {"tokens", folder_.reader().tokens(found.ids)}, {"score", found.score}};
    return object.dump() + "\n";
  }

  const Options& options_;
  CausalFolder& folder_;
  vt::GenerationConfig config_;
  MapsFile maps_;
  Stream stream_;
};

int run(const OptionTable& table, Options& o) {
  if (pool::needs_no_model(o.pool)) return pool::without_model(table, o.pool);
  CausalFolder folder(o.model, o.json(), o.threads, pool::storage_of(o.weights));
  Generation job(folder, o);
  if (o.stream) o.pool.lines = 1;
  const int status =
      pool::run(table, o.pool, job, {o.model, "", described(o, job.config()), o.json() ? ".jsonl" : ".txt"});
  job.finish();
  return status;
}

}  // namespace generate

int main(int count, char** arguments) {
  generate::Options options;
  OptionTable table = generate::option_table(options);
  if (const auto status = table.parse(count, arguments)) return *status;
  if (const std::string wrong = generate::misuse(options); !wrong.empty()) return table.wrong(wrong);
  return pool::guarded(table, [&] { return generate::run(table, options); });
}
