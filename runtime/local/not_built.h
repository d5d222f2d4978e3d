/* not_built: names of operations that the service does not answer. */
#ifndef UPJOB_LOCAL_NOT_BUILT_H
#define UPJOB_LOCAL_NOT_BUILT_H

/* The operation that a request addresses, or NULL when the service has none there. */
const char *not_built_name(const char *method, const char *path);

#endif
