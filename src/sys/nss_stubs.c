// The C library's name service and dlopen(), cut out at link time.
//
// glibc's getaddrinfo() and its family open libnss_*.so at run time, which a static executable
// must not do: the node's root file system has no such library, or one of another version. These
// definitions are linked before libc.a, so its members are never pulled in, and the linker's
// "statically linked applications requires at runtime" warning becomes a gate (the link runs with
// --fatal-warnings). They fail, in the way each function documents; nobody calls them on purpose:
// names are resolved by c-ares (through libcurl), and libnl and c-ares only ask for service and
// protocol names, for which they fall back to numbers.
//
// dlopen() needs one more trick: libc pulls its own in for itself, and with it the warning. So the
// link runs with --wrap=dlopen and its like: a call of ours or of a library's (the system's SQLite
// makes some, for extensions) arrives at the __wrap_ functions below, and nobody reaches libc's.
//
// Left out of sanitizer builds, which are dynamic.
#include <netdb.h>
#include <stddef.h>

int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints,
                struct addrinfo** res) {
    (void)node, (void)service, (void)hints;
    *res = NULL;
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo* res) { (void)res; }

const char* gai_strerror(int code) {
    (void)code;
    return "name service is not part of this program";
}

int getnameinfo(const struct sockaddr* addr, socklen_t addrlen, char* host, socklen_t hostlen,
                char* serv, socklen_t servlen, int flags) {
    (void)addr, (void)addrlen, (void)host, (void)hostlen, (void)serv, (void)servlen, (void)flags;
    return EAI_FAIL;
}

int getservbyname_r(const char* name, const char* proto, struct servent* result_buf, char* buf,
                    size_t buflen, struct servent** result) {
    (void)name, (void)proto, (void)result_buf, (void)buf, (void)buflen;
    *result = NULL;
    return 0;
}

int getservbyport_r(int port, const char* proto, struct servent* result_buf, char* buf,
                    size_t buflen, struct servent** result) {
    (void)port, (void)proto, (void)result_buf, (void)buf, (void)buflen;
    *result = NULL;
    return 0;
}

struct servent* getservbyname(const char* name, const char* proto) {
    (void)name, (void)proto;
    return NULL;
}

struct protoent* getprotobyname(const char* name) {
    (void)name;
    return NULL;
}

struct protoent* getprotobynumber(int proto) {
    (void)proto;
    return NULL;
}

void* __wrap_dlopen(const char* file, int mode) {
    (void)file, (void)mode;
    return NULL;
}

void* __wrap_dlsym(void* handle, const char* name) {
    (void)handle, (void)name;
    return NULL;
}

int __wrap_dlclose(void* handle) {
    (void)handle;
    return -1;
}

char* __wrap_dlerror(void) { return "this program loads no code at run time"; }
