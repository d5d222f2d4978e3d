/* credentials_store: the keys of a client, kept fresh.
 *
 * They are fetched when they are first asked for, and again before they expire: from 15 minutes before on in
 * the background, from 10 minutes before on with the callers waiting for it. One fetch is under way at a
 * time, however many wait. A fetch that fails is no error while the keys at hand are valid.
 */
#ifndef UPJOB_CORE_CREDENTIALS_STORE_H
#define UPJOB_CORE_CREDENTIALS_STORE_H

#include "core/credentials.h"
#include "core/loop.h"

#define CREDENTIALS_ADVISORY  (15 * 60) /* seconds before the end at which they are fetched anew */
#define CREDENTIALS_MANDATORY (10 * 60) /* … and at which that is waited for */
#define CREDENTIALS_PAUSE     5         /* seconds between two fetches while there are valid keys */

/* Where a store fetches keys; a provider's own struct begins with it. */
struct credentials_provider {
    char source[600]; /* what it is called, as in struct credentials */
    /* Begins to fetch; false with *err filled when it cannot. The store's fetched() is then called in a turn
     * of the loop, once, as the last thing that the provider does there. */
    bool (*start)(struct credentials_provider *provider, struct err *err);
    void (*stop)(struct credentials_provider *provider); /* ends what is under way, without fetched() */
    void (*free)(struct credentials_provider *provider);
    bool once; /* it has no other keys than those at hand: not asked while they are valid */
    struct credentials_store *store; /* set by the store */
};

/* Takes over the provider, and the keys that it has already given (NULL: none), also when it fails. */
struct credentials_store *credentials_store_new(const struct credentials_options *options,
                                                struct credentials_provider *provider,
                                                struct credentials *keys, struct err *err) MUST_CHECK;
/* Of keys that no one fetches anew. Takes them over, also when it fails. */
struct credentials_store *credentials_store_fixed(struct credentials *keys, struct err *err) MUST_CHECK;

/* For providers: what came of the fetch. Keys are taken over; NULL with an error. */
void credentials_fetched(struct credentials_provider *provider, struct credentials *keys,
                         const struct err *err);

#endif
