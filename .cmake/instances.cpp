// The definitions of what instances.hpp declares.
#define VITRINE_INSTANCE
#include "instances.hpp"
