#include "tests/reference/csv_sizes.h"

struct csv_sizes csv_sizes = {64, (size_t)128 << 10};
