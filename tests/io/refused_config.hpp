// A config.json from its text, and why it is refused.
#pragma once
#include <string>
#include <vitrine/io/config_file.hpp>

#include "scratch.hpp"

inline vitrine::ConfigFile config(const std::string& text) {
  return vitrine::ConfigFile(text, std::string("config.json"));
}

// The error's name, and the message if it names the key.
template <class Read>
std::string refused(Read read, const std::string& text, const std::string& key) {
  std::string message;
  const std::string error = error_of([&] { (void)read(config(text)); }, &message);
  return message.find("\"" + key + "\"") == message.npos ? error + " without the key" : error;
}
