#define VITRINE_JSON_INSTANCE
#include "json_instances.hpp"
