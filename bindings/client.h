/* client: the API client as other bindings use it. */
#ifndef UPJOB_BINDINGS_CLIENT_H
#define UPJOB_BINDINGS_CLIENT_H

#include <lua.h>

struct client;
struct credentials_store;

/* The client at `index`; raises when it is none or was closed. Its keys stay until client_release, also when it is closed. */
struct client *client_hold(lua_State *L, int index);
struct credentials_store *client_credentials(const struct client *client);
void client_release(struct client *client);

#endif
