// An S3-shaped server that takes as little from its clients as possible: one thread, epoll,
// keep-alive, everything in memory. C, because a request costs 5 us here, all included: as much as
// a uvloop protocol needs before it has looked at the request. And because unpinned clients share
// its core, and Python's TLS would be the bottleneck of large objects.
//
//     server BLOCK DELAY_MS REFUSED [CERTIFICATE KEY]     prints its port; ends with its standard input
//
// What it serves is in the keys: "5000x4096/000017.bin" is one of 5,000 objects of 4,096 bytes,
// cut from the file BLOCK, endlessly repeated, from where the key's hash says (benchmarks/
// content.py does the same). Objects that are put are kept, until the bucket is deleted. Of all
// requests the share REFUSED, by chance, is answered with 503.

#include "types.h"

#include "objects.c"

#include "answers.c"

#include "requests.c"

static void watch(Connection *c, int operation, uint32_t events) {
    epoll_ctl(epoll, operation, c->fd, &(struct epoll_event){events, {.ptr = c}});
}

static void part_with(Connection *c) {
    if (c->ssl) SSL_free(c->ssl);
    close(c->fd);
    free(c->body.data);
    free(c->text);
    free(c);
}

// Sends what is left of the answer; true once the connection is ready for another request.
static bool send_answer(Connection *c) {
    while (c->sent < c->head_size + c->body_size) {
        ssize_t n = transmit(c);
        if (n > 0) { c->sent += n; continue; }
        if (errno == EAGAIN) watch(c, EPOLL_CTL_MOD, EPOLLOUT);
        else part_with(c);
        return false;
    }
    if (c->request.close) { part_with(c); return false; }
    free(c->body.data);
    free(c->text);
    c->body = (Bytes){0};
    c->text = NULL;
    c->parts = NULL;
    c->sent = c->have = c->received = 0;
    c->state = READING;
    return true;
}

static bool respond_in_time(Connection *c) {
    if (!delay || is_check(c)) { respond(c); return send_answer(c); }
    c->state = WAITING;
    c->due = now() + delay;
    c->after = NULL;
    if (first_waiting) last_waiting->after = c;
    else first_waiting = c;
    last_waiting = c;
    watch(c, EPOLL_CTL_MOD, 0);
    return false;
}

// Takes in what came of a head; true once it is whole and its body can be received.
static bool read_head(Connection *c) {
    ssize_t n = receive(c, c->in + c->have, HEAD_SIZE - c->have);
    if (n < 0) {
        if (errno != EAGAIN) part_with(c);
        return false;
    }
    c->have += n;
    c->in[c->have] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return c->have < HEAD_SIZE ? false : (part_with(c), false);
    if (!parse(c, end)) { part_with(c); return false; }
    c->state = RECEIVING;
    if (c->body.size) c->body.data = malloc(c->body.size);
    c->received = c->have - (end + 4 - c->in);
    if (c->received > c->body.size) c->received = c->body.size;
    if (c->received) memcpy(c->body.data, end + 4, c->received);
    if (c->request.expect && !c->received) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (c->ssl) { SSL_write(c->ssl, go_on, sizeof go_on - 1); return true; }
        send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL);
    }
    return true;
}

static bool is_whole(Connection *c) {
    static const char end[] = "\r\n0\r\n\r\n";
    size_t length = sizeof end - 1;
    if (!c->request.streamed) return c->received == c->body.size;
    if (c->received < length || memcmp(c->body.data + c->received - length, end, length)) return false;
    c->body.size = c->received;
    return true;
}

static bool read_body(Connection *c) {
    while (!is_whole(c)) {
        ssize_t n = receive(c, c->body.data + c->received, c->body.size - c->received);
        if (n > 0) { c->received += n; continue; }
        if (errno != EAGAIN) part_with(c);
        return false;
    }
    return true;
}

static void advance(Connection *c) {
    if (c->state == WAITING) return;
    if (c->state == ANSWERING) {
        if (!send_answer(c)) return;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    do {
        if (c->state == READING && !read_head(c)) return;
        if (!read_body(c) || !respond_in_time(c)) return;
    } while (c->ssl && SSL_pending(c->ssl));   // epoll does not know what OpenSSL has in hand
}

static void welcome(int listening) {
    int fd, yes = 1;
    while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        Connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        if (tls) {
            c->ssl = SSL_new(tls);
            SSL_set_fd(c->ssl, fd);
            SSL_set_accept_state(c->ssl);
        }
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

// Answers those whose time has come; the milliseconds until the next one, -1 for none.
static int answer_due(void) {
    while (first_waiting) {
        Connection *c = first_waiting;
        double left = c->due - now();
        if (left > 0) return (int)(left * 1e3) + 1;
        first_waiting = c->after;
        respond(c);
        if (send_answer(c)) watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    return -1;
}

static void read_block(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) { perror(path); exit(1); }
    fseek(file, 0, SEEK_END);
    period = ftell(file);
    rewind(file);
    block = malloc(REPEATED * period);
    if (fread(block, 1, period, file) != period) exit(1);
    for (int i = 1; i < REPEATED; i++) memcpy(block + i * period, block, period);
}

static void read_certificate(char **paths) {
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(tls, paths[0]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, paths[1], SSL_FILETYPE_PEM) != 1) exit(1);
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 6) return 2;
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_MMAP_MAX, 0);   // memory is had once, here, and kept: page faults would be measured
    mallopt(M_TRIM_THRESHOLD, -1);
    void *room = malloc(READY);
    free(room ? memset(room, 1, READY) : NULL);
    read_block(argv[1]);
    delay = atof(argv[2]) / 1e3;
    refused = atof(argv[3]);
    if (argc == 6) read_certificate(argv + 4);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listening, (struct sockaddr *)&address, size) || listen(listening, 1024)) return 1;
    getsockname(listening, (struct sockaddr *)&address, &size);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    Connection parent = {.fd = 0}, door = {.fd = listening};
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(&parent, EPOLL_CTL_ADD, EPOLLIN);
    watch(&door, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, answer_due());
        for (int i = 0; i < count; i++) {
            Connection *c = events[i].data.ptr;
            if (c == &parent) return 0;
            if (c == &door) welcome(listening);
            else advance(c);
        }
    }
}
