// One program of programs.cpp: the one that VITRINE_PROGRAM names.
#include "programs.hpp"

int main(int count, char** arguments) { return programs::run(VITRINE_PROGRAM, count, arguments); }
