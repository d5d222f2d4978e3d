/* limits: what a run of an automation may use, set by its own process before anything of it is loaded.
 *
 * They come in the environment, as UPJOB_LIMITS=wall=3600,cpu=60,files=256,memory=536870912 (seconds, seconds, open files, bytes
 * of scripts; each may be absent), which is taken out of it. */
#ifndef UPJOB_HOST_LIMITS_H
#define UPJOB_HOST_LIMITS_H

#include <stddef.h>

/* Sets those that the environment tells. Returns how many bytes scripts may take, 0 for as many as there are. When the wall clock
 * is over, this process says so, and ends with all of its group; where it has a keeper (host/keeper.h), that ends the rest. */
size_t limits_set(void);

#endif
