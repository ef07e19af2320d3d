// Requests taken apart, and bytes in and out, with TLS and without.

static char *value_of(char *line, const char *name) {
    size_t length = strlen(name);
    return strncasecmp(line, name, length) || line[length] != ':'
        ? NULL : line + length + 1 + strspn(line + length + 1, " ");
}

// Takes the head of a request apart, in place; false if it is none.
static bool parse(Connection *c, char *end) {
    Request *r = &c->request;
    *r = (Request){0};
    *end = 0;
    char *line = strstr(c->in, "\r\n"), *path = strchr(c->in, ' ');
    char *version = path ? strchr(path + 1, ' ') : NULL, *value;
    size_t decoded = 0;
    if (!version || path[1] != '/') return false;
    r->method = c->in;
    r->bucket = path + 2;
    *path = *version = 0;
    if ((r->query = strchr(r->bucket, '?'))) *r->query++ = 0;
    r->key = r->bucket + strcspn(r->bucket, "/");
    if (*r->key) *r->key++ = 0;
    for (char *next; line; line = next) {
        line += 2;
        if ((next = strstr(line, "\r\n"))) *next = 0;
        if ((value = value_of(line, "content-length"))) c->body.size = strtoull(value, NULL, 10);
        else if ((value = value_of(line, "range"))) r->range = value;
        else if ((value = value_of(line, "expect"))) r->expect = value;
        else if ((value = value_of(line, "if-none-match"))) r->if_none_match = value;
        else if ((value = value_of(line, "connection"))) r->close = !strcasecmp(value, "close");
        else if (value_of(line, "transfer-encoding")) r->streamed = true;
        else if ((value = value_of(line, "x-amz-decoded-content-length")))
            r->chunked = true, decoded = strtoull(value, NULL, 10);
    }
    // Room for the marks between the chunks; what is in excess was never touched, and costs nothing.
    if (r->streamed) c->body.size = decoded + decoded / 32 + 4096;
    return true;
}

static ssize_t blocked_or_broken(Connection *c, int n) {
    int why = SSL_get_error(c->ssl, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    ERR_clear_error();   // what is left of one connection's end would be taken for another's
    return -1;
}

static ssize_t receive(Connection *c, void *into, size_t size) {
    if (c->ssl) {
        int n = SSL_read(c->ssl, into, size > 1 << 30 ? 1 << 30 : (int)size);
        if (n > 0) return n;
        return blocked_or_broken(c, n);
    }
    ssize_t n = recv(c->fd, into, size, 0);
    if (!n) errno = EPIPE;
    return n > 0 ? n : -1;
}

// The longest run of the answer's body that starts so many bytes into it.
static Bytes piece(Connection *c, size_t at) {
    if (c->text) return (Bytes){c->text + at, c->body_size - at};
    size_t left = c->body_size - at;
    if (!c->parts) {
        size_t start = (c->offset + at) % period, run = REPEATED * period - start;
        return (Bytes){block + start, run < left ? run : left};
    }
    size_t from = c->offset + at;
    Bytes *part = c->parts->parts;
    for (; from >= part->size; part++) from -= part->size;
    return (Bytes){part->data + from, part->size - from < left ? part->size - from : left};
}

static ssize_t transmit(Connection *c) {
    struct iovec out[2];
    int count = 0;
    if (c->sent < c->head_size)
        out[count++] = (struct iovec){c->head + c->sent, c->head_size - c->sent};
    size_t at = c->sent > c->head_size ? c->sent - c->head_size : 0;
    if (at < c->body_size) {
        Bytes bytes = piece(c, at);
        out[count++] = (struct iovec){bytes.data, bytes.size};
    }
    if (c->ssl) {
        static char joined[1 << 16];   // a head and a small body go out as one record
        char *from = out[0].iov_base;
        size_t size = out[0].iov_len;
        if (count == 2) {
            size_t more = out[1].iov_len < sizeof joined - size ? out[1].iov_len : sizeof joined - size;
            memcpy(joined, from, size);
            memcpy(joined + size, out[1].iov_base, more);
            from = joined;
            size += more;
        }
        int n = SSL_write(c->ssl, from, size > 1 << 20 ? 1 << 20 : (int)size);
        if (n > 0) return n;
        return blocked_or_broken(c, n);
    }
    return writev(c->fd, out, count);
}
