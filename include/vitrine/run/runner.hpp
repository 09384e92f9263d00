// Runner: the team that runs a call, its scratch and its trace, as one argument. Layers are written in its words.
// Internal.
//
// Where does x go? Through five rooms, the same ones for an encoder layer and a decoder layer:
//   1 the call    encoder_forward.hpp, decoder_forward.hpp: checks (input_checks.hpp), how many threads
//                 (core/parallel.hpp), memory, then one parallel region through all layers: each thread of the team has
//                 a Runner. Memory has three words: a Workspace holds the bytes (workspace_bytes.hpp says how many); a
//                 plan says what stands where in them (it is made once to count them, once to place); Scratch is the
//                 plan's part that each thread uses beside the operands
//   2 the layer   layers/encoder_layer.hpp: its equation. runner.blocks(f) deals out rows: f(block) takes a block
//                 through norms and products (linear_call.hpp) alone, so that what lies between stays in its thread's
//                 cache; with few rows the whole team divides each product by columns. Queries go to a place in the
//                 plan, keys and values to KeyValues (key_values.hpp), where a cache is the same thing with something
//                 in it already
//   3 the heads   attention_call.hpp: AttentionCall says all of one attention over all sequences and heads;
//                 attend_heads deals out (sequence, head, chunk of rows). Statistics, largest weights and rollout have
//                 their own way to do that (figures_attention.hpp), which the result's type chooses
//   4 the kernel  kernels/attention.hpp: attend_head, over the keys that core/row_mask.hpp leaves to a row, each row
//                 through kernels/softmax.hpp. Maps go straight to their place in the result
//                 (core/detail/map_layout.hpp), the context to where the plan put it: over the queries it came from
//   5 and back    runner.blocks again: out_proj, residual, norms, feed-forward, into y; which is x of the next layer
// Others have a room 1 of their own: MultiheadAttention, without norms and feed-forward; DecodingSteps and CausalSteps
// (generate/), whose plan has a row for each hypothesis (or token of a prompt) and whose key_values are a cache's. A
// decoder's room 1 lets each layer project the encoder's output first (project_encoded).
// scaled_dot_product_attention brings its operands to a plan itself, goes through 3 and 4, and is done: the context's
// place is its output. With a trace, 2 to 5 take all rows as one block, the context has a place beside the queries, and
// 3 and 4 are gone through a second time where the call keeps maps.
#pragma once
#include <vitrine/core/workspace.hpp>
#include <vitrine/run/linear_call.hpp>
#include <vitrine/run/scratch.hpp>
#include <vitrine/run/trace.hpp>

#include <vitrine/core/macros_push.hpp>

namespace vitrine::inline VITRINE_ABI::detail {

// Of a whole region, and of one block of its rows.
template <class S, class Trace = Untraced>
class Runner {
 public:
  Runner(Team& team, const Scratch<S>& scratch, Index rows, const Trace& trace = {})
      : team_(&team), scratch_(&scratch), trace_(trace), count_(rows) {}

  Team& team() const { return *team_; }
  const Scratch<S>& scratch() const { return *scratch_; }
  const Trace& trace() const { return trace_; }

  // f(block) for blocks of the rows. f leaves the block's threads in step, or is the last of its region; so then is the
  // team. A traced team takes all rows as one block, so that every intermediate is whole at some time.
  template <class F>
  void blocks(F&& f) const {
    if constexpr (Trace::on) {
      if (count_ > 0) f(*this);
    } else {
      team_->row_blocks(count_, block_rows, Index{kernels::tile_rows}, [&](Team& team, Index first, Index last) {
        Runner block = *this;
        block.team_ = &team, block.first_ = first, block.count_ = last - first;
        f(block);
      });
    }
  }
  // This block's rows of all.
  template <class T>
  Rows<T> rows_of(const Rows<T>& all) const {
    return all.part(first_, count_);
  }
  Index first() const { return first_; }
  Index count() const { return count_; }
  // This block's hidden state between two steps, and its wider rows within one.
  Rows<S> hidden(Index width) const { return {scratch_->hidden.of_team(*team_), count_, width}; }
  Rows<S> inner(Index width) const { return {scratch_->inner.of_team(*team_), count_, width, row_stride<S>(width)}; }

  // The same team on another number of rows; in a layer of a stack; within a part of the layer, as a trace names it.
  Runner over(Index rows) const {
    Runner runner = *this;
    runner.first_ = 0, runner.count_ = rows;
    return runner;
  }
  Runner in_layer(Index layer, const PrefetchOrder<S>& order) const {
    Runner runner = *this;
    runner.trace_ = trace_.in_layer(layer), runner.order_ = &order;
    return runner;
  }
  Runner named(const char* part, Which kind = Which::self) const {
    Runner runner = *this;
    runner.trace_ = trace_.named(part, kind);
    return runner;
  }
  Runner<S> untraced() const { return Runner<S>(*team_, *scratch_, count_); }

  // norm(block, from, to), which a trace is shown under `name`.
  template <class Norm>
  void normalise(const char* name, const Norm& norm, const Rows<const S>& from, const Rows<S>& to) const {
    norm(*this, from, to);
    show(name, to);
  }
  // y = act(x W^T + b) + residual; a trace is shown x W^T + b under `name` (null: not). Does not wait.
  template <Storage Weights = Storage::f32>
  void linear([[maybe_unused]] const char* name, Operand<S>& x, const Affine<S, Weights>& affine, const Rows<S>& y,
              const Epilogue<S>& epilogue = {}) const {
    LinearCall<S> call(x.rows, y, affine, Trace::on ? Epilogue<S>{} : epilogue);
    call.packed_panel = scratch_->packed_panel.of_thread(*team_);
    call.product.a_copy = scratch_->operand_copy.of_thread(*team_),
    call.product.a_copied = x.copied && x.copied_as.get() == call.stored_as.get();
#if VITRINE_EXCEPTIONS
    call.packed_room = scratch_->packed_panel.stride;
#endif
    if (order_ != nullptr) call.product.next_weight = order_->after(affine.panels());
    x.copied = true, x.copied_as = call.stored_as;
    if constexpr (Weights == Storage::f32)
      detail::linear(*team_, call);
    else
      linear_stored<Weights>(*team_, call);
    if constexpr (Trace::on) {
      if (name == nullptr) return;
      show(name, y);
      if (epilogue.any()) apply_epilogue(*team_, y, epilogue);
    }
  }
  // The team is in step afterwards.
  void copy(const Rows<const S>& from, const Rows<S>& to) const {
    team_->split(from.count, [&](Index first, Index last) {
      for (Index r = first; r < last; ++r)
        for (Index i = 0; i < from.width; ++i) to.data[r * to.stride + i] = from.data[r * from.stride + i];
    });
    wait();
  }
  // f(first, last) with this thread's share of the block's rows, counted from its first. Does not wait.
  template <class F>
  void split(F&& f) const {
    team_->split(count_, f);
  }
  // Until all threads that work on this block are here.
  void wait() const { team_->barrier(); }

  void show(const char* name, const Rows<const S>& rows) const { trace_.rows(*team_, name, rows); }
  void show_heads(const char* name, const Rows<const S>& rows, const RowMap& map, Index heads) const {
    trace_.heads(*team_, name, rows, map, heads);
  }

 private:
  Team* team_;
  const Scratch<S>* scratch_;
  [[no_unique_address]] Trace trace_;
  const PrefetchOrder<S>* order_ = nullptr;
  Index first_ = 0, count_ = 0;
};

}  // namespace vitrine::inline VITRINE_ABI::detail

#include <vitrine/core/macros_pop.hpp>
