/* csv_sizes: sizes of the CSV reader that a test chooses, so that a short text fills windows. For such tests the reader is
 * compiled with READ_SIZE and CSV_SCAN_MOST being these, and with this header before all else. */
#ifndef UPJOB_TESTS_CSV_SIZES_H
#define UPJOB_TESTS_CSV_SIZES_H

#include <stddef.h>

struct csv_sizes {
    size_t read; /* bytes that are read at a time; the window has room for two of them, and grows */
    size_t scan; /* bytes that are scanned at a time, at most */
};

/* Not to be changed while a reader is open. */
extern struct csv_sizes csv_sizes;

#endif
