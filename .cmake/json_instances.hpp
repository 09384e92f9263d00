// nlohmann-json's classes, compiled once for all programs of ours (json_instances.cpp) as kernels are (instances.hpp).
#pragma once
#include <nlohmann/json.hpp>
#include <vitrine/io/safetensors_header.hpp>

#ifndef VITRINE_JSON_INSTANCE
#define VITRINE_JSON_INSTANCE extern
#endif

VITRINE_JSON_INSTANCE template class nlohmann::basic_json<>;

namespace nlohmann::detail {

using TextInput = iterator_input_adapter<const char*>;
VITRINE_JSON_INSTANCE template class serializer<json>;
VITRINE_JSON_INSTANCE template class lexer<json, TextInput>;
VITRINE_JSON_INSTANCE template class parser<json, TextInput>;
VITRINE_JSON_INSTANCE template class binary_reader<json, TextInput, vitrine::detail::HeaderSax>;

}  // namespace nlohmann::detail
