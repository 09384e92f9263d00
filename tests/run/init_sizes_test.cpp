// Sizes that make no layer are refused by init, before anything is written.
#include <doctest/doctest.h>

#include <vitrine/vitrine.hpp>

TEST_CASE("init refuses sizes that are not positive") {
  CHECK(vt::EncoderLayer<float>({.d_model = 16, .nhead = 4, .dim_feedforward = 0}).init(1) == vt::Status::bad_config);
  CHECK(vt::EncoderLayer<float>({.d_model = 16, .nhead = 4, .dim_feedforward = -5}).init(1) == vt::Status::bad_config);
  CHECK(vt::EncoderLayer<float>(vt::LayerConfig{}).init(1) == vt::Status::bad_config);
  CHECK(vt::DecoderLayer<double>(vt::LayerConfig{}).init(1) == vt::Status::bad_config);
  CHECK(vt::Encoder<float>({.num_layers = 2}).init(1) == vt::Status::bad_config);
  CHECK(vt::FeedForward<float>(16, 0).init(1) == vt::Status::bad_config);
  CHECK(vt::Linear<float>(0, 4).init(1) == vt::Status::bad_config);
}

TEST_CASE("a transformer says what it will take") {
  vt::Transformer<float> model({.d_model = 32, .nhead = 4, .dim_feedforward = 64});
  CHECK(model.workspace_bytes({2, 5, 7}) > 0);
  CHECK(model.result_bytes({2, 5, 7}) ==
        sizeof(float) * std::size_t(2 * (7 + 5) * 32 + 6 * 4 * 2 * (7 * 7 + 5 * 5 + 5 * 7)));
}
