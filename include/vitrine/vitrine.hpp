// vitrine: a transformer whose attention is on display. Includes only; no iostream, no fstream, nothing but Eigen to
// install.
//
//   namespace vt = vitrine;
//   vt::EncoderLayer<float> layer({.d_model = 64, .nhead = 4});
//   layer.init(1);                      // or vt::load(layer, vt::SafeTensors("model.safetensors"), "layers.0.")
//   auto [output, self_attn, cross_attn] = layer(x);      // x: B x T x E
//   self_attn.matrix(b, h);                               // T x T, rows sum to 1
//
// Whole pretrained models (models/marian.hpp, ...), decoding (generate/), files (io/), tokenizers (text/), corpora
// (corpus/) and pictures (inspect/) are their own headers.
#pragma once
#include <vitrine/core/config.hpp>

#ifndef VITRINE_UNUSABLE
#include <vitrine/core/build_info.hpp>
#include <vitrine/core/heap.hpp>
#include <vitrine/core/maps.hpp>
#include <vitrine/core/mask.hpp>
#include <vitrine/core/workspace.hpp>
#include <vitrine/kernels/batched_matmul.hpp>
#include <vitrine/layers/decoder_layer.hpp>
#include <vitrine/layers/embedding.hpp>
#include <vitrine/layers/encoder_layer.hpp>
#include <vitrine/layers/linear.hpp>
#include <vitrine/layers/multihead_attention.hpp>
#include <vitrine/layers/positional_encoding.hpp>
#include <vitrine/layers/scaled_dot_product_attention.hpp>
#include <vitrine/models/transformer.hpp>

// A program that has a namespace vt of its own defines this before it includes us.
#ifndef VITRINE_NO_VT
namespace vt = vitrine;
#endif
#endif
