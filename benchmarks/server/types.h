// What the parts of the server share: it is one program of one file, in pieces.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    HEAD_SIZE = 16384,       // of a request, at most
    TEXT_SIZE = 1 << 19,     // of a page of a listing, at most
    PAGE = 1000,
    REPEATED = 16,           // so many times is the block in memory, for long runs of bytes
    BUCKETS = 1 << 16,
    READY = 5 << 28,         // bytes of memory that are at hand from the start
};

typedef struct { char *data; size_t size; } Bytes;
typedef struct { Bytes *parts; size_t count, size; } Parts;
typedef struct Object { char *key; uint64_t hash; Parts parts; struct Object *next; } Object;

typedef struct {                 // what a request asks for
    char *method, *bucket, *key, *query;
    char *range, *expect, *if_none_match;
    bool chunked, streamed, close;   // "aws-chunked"; of a length that no field tells
} Request;

typedef struct Connection {
    int fd;
    SSL *ssl;
    enum { READING, RECEIVING, WAITING, ANSWERING } state;
    char in[HEAD_SIZE + 1];      // the request's head
    size_t have;
    Request request;
    Bytes body;                  // the request's body, and how much of it is here
    size_t received;
    char head[1024];             // the answer: a head, then what piece() gives
    size_t head_size, body_size, sent;
    char *text;
    Parts *parts;
    uint64_t offset;
    double due;
    struct Connection *after;    // in the queue of those that wait
} Connection;

static char *block;
static size_t period;
static double delay, refused;
static int epoll;
static SSL_CTX *tls;
static Object *objects[BUCKETS];
static Parts *uploads;
static size_t upload_count;
static Connection *first_waiting, *last_waiting;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t hash_of(const char *key) {   // FNV-1a
    uint64_t hash = 0xcbf29ce484222325;
    for (; *key; key++) hash = (hash ^ (unsigned char)*key) * 0x100000001b3;
    return hash;
}
