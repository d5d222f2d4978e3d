/* phone_text: what is said of a number that is none, and what is seen of it without libphonenumber. */
#ifndef UPJOB_CORE_PHONE_TEXT_H
#define UPJOB_CORE_PHONE_TEXT_H

#include "core/phone.h"

/* What a spreadsheet leaves of a number, and what is too long or not text: such a result needs no library. PHONE_VALID: none. */
enum phone_reason phone_damage(struct csv_slice number);

/* As phone_fault_text. `region` is "" for none. */
const char *phone_text(const char *region, const struct phone_fault *fault, char *out, size_t size);

#endif
