// Everything that reads a checkpoint's configuration: config.json of the families, generation_config.json, and values
// by key. Includes the headers that do, and adds nothing.
//
//   vt::Seq2SeqConfig config = vt::seq2seq_config(vt::ConfigFile("opus-mt-en-de/config.json"), "marian");
//   vt::GenerationConfig generation = vt::read_generation_config("opus-mt-en-de");
#pragma once
#include <vitrine/io/config_families.hpp>
#include <vitrine/io/config_file.hpp>
#include <vitrine/io/generation_file.hpp>
#include <vitrine/io/seq2seq_config.hpp>
#include <vitrine/io/text_config.hpp>
#include <vitrine/io/vit_config.hpp>
