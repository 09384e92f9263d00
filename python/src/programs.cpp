// The command of the wheel: `programs translate ...` is build/examples/translate.
#include "../../.cmake/programs.cpp"

int main(int count, char** arguments) {
  const int code = count > 1 ? programs::run(arguments[1], count - 1, arguments + 1) : 0;
  if (count > 1 && code >= 0) return code;
  for (const programs::Program& one : programs::all()) std::puts(one.name.data());
  return count > 1 ? 2 : 0;
}
