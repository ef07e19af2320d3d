// What S3 would say.

#define DATE "Sun, 01 Jan 2023 00:00:00 GMT"
#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void answer(Connection *c, const char *status, size_t size, const char *fields) {
    c->body_size = strcmp(c->request.method, "HEAD") ? size : 0;
    c->head_size = snprintf(c->head, sizeof c->head,
        "HTTP/1.1 %s\r\nContent-Length: %zu\r\nServer: bench\r\n%s\r\n", status, size, fields);
}

static void answer_text(Connection *c, const char *status) {
    answer(c, status, strlen(c->text), "Content-Type: application/xml\r\n");
}

static void error(Connection *c, const char *status, const char *code) {
    c->text = malloc(256);
    snprintf(c->text, 256, XML "<Error><Code>%s</Code><Message>%s</Message></Error>", code, status);
    answer_text(c, status);
}

// The value of a query's field, percent-decoded, in one of a few static buffers; or NULL.
static char *field(const char *query, const char *name) {
    static char values[8][1024];
    static int turn;
    size_t length = strlen(name);
    for (; query && *query; query = strchr(query, '&') ? strchr(query, '&') + 1 : NULL) {
        if (strncmp(query, name, length) || !strchr("=&", query[length])) continue;
        char *value = values[turn++ % 8], *end = value + 1023, *out = value;
        const char *in = query + length + (query[length] == '=');
        for (; *in && *in != '&' && out < end; in++) {
            unsigned code;
            if (*in == '%' && sscanf(in + 1, "%2x", &code) == 1) *out++ = (char)code, in += 2;
            else *out++ = *in == '+' ? ' ' : *in;
        }
        *out = 0;
        return value;
    }
    return NULL;
}

static void get(Connection *c) {
    char *key = c->request.key, *rest, fields[256];
    size_t count, size = 0;
    Object *object = *place_of(key);
    uint64_t hash = hash_of(key);
    if (object) {
        c->parts = &object->parts;
        size = c->parts->size;
    } else if (!family(key, &count, &size, &rest) || rest[0] != '/' || !rest[1] ||
               strtoull(rest + 1, NULL, 10) >= count) {
        error(c, "404 Not Found", "NoSuchKey");
        return;
    }
    size_t start = 0, stop = size;
    char *range = c->request.range;
    if (range && !strncmp(range, "bytes=", 6)) {
        char *dash = strchr(range, '-');
        if (dash == range + 6) {
            size_t last = strtoull(dash + 1, NULL, 10);
            start = last < size ? size - last : 0;
        } else {
            start = strtoull(range + 6, NULL, 10);
            if (dash && dash[1] >= '0' && dash[1] <= '9') stop = strtoull(dash + 1, NULL, 10) + 1;
            if (stop > size) stop = size;
        }
        if (start >= size) {
            error(c, "416 Range Not Satisfiable", "InvalidRange");
            return;
        }
    }
    // An ETag with a dash is no MD5, and nobody takes it for one: MD5 would cost more than the rest.
    int n = snprintf(fields, sizeof fields, "ETag: \"%016llx%016zx-1\"\r\nLast-Modified: " DATE
        "\r\nAccept-Ranges: bytes\r\nContent-Type: binary/octet-stream\r\n",
        (unsigned long long)hash, size);
    if (range) snprintf(fields + n, sizeof fields - n, "Content-Range: bytes %zu-%zu/%zu\r\n",
                        start, stop - 1, size);
    c->offset = object ? start : hash % period + start;
    answer(c, range ? "206 Partial Content" : "200 OK", stop - start, fields);
}

static void name(char *key, size_t count, size_t size, size_t i) {
    sprintf(key, "%zux%zu/%06zu.bin", count, size, i);
}

// How many keys of a family are not behind a text.
static size_t behind(const char *text, size_t count, size_t size) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        char key[128];
        name(key, count, size, middle);
        if (strcmp(key, text) <= 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void list(Connection *c) {
    char *query = c->request.query, *rest = "";
    char *prefix = field(query, "prefix"), *token = field(query, "continuation-token");
    char *after = field(query, "start-after"), *asked = field(query, "max-keys");
    size_t count = 0, size = 0, page = asked ? strtoull(asked, NULL, 10) : PAGE;
    if (!prefix || !family(prefix, &count, &size, &rest) || strlen(rest) > 1) count = 0;
    size_t start = token ? strtoull(token, NULL, 10) : 0;
    if (!token && after) start = behind(after, count, size);
    size_t stop = start + (page < PAGE ? page : PAGE) < count ? start + PAGE : count;
    bool folded = field(query, "delimiter") && *field(query, "delimiter") && !*rest && count;
    if (folded) start = stop = count;
    char *out = c->text = malloc(TEXT_SIZE);
    out += sprintf(out, XML "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Name>%s</Name><Prefix>%s</Prefix><KeyCount>%zu</KeyCount><MaxKeys>%zu</MaxKeys>"
        "<IsTruncated>%s</IsTruncated>", c->request.bucket, prefix ? prefix : "", stop - start,
        page, stop < count ? "true" : "false");
    if (stop < count) out += sprintf(out, "<NextContinuationToken>%zu</NextContinuationToken>", stop);
    if (folded) out += sprintf(out, "<CommonPrefixes><Prefix>%s/</Prefix></CommonPrefixes>", prefix);
    for (size_t i = start; i < stop; i++) {
        char key[128];
        name(key, count, size, i);
        out += sprintf(out, "<Contents><Key>%s</Key><LastModified>2023-01-01T00:00:00.000Z"
            "</LastModified><ETag>&quot;%016llx%016zx-1&quot;</ETag><Size>%zu</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>", key,
            (unsigned long long)hash_of(key), size, size);
    }
    strcpy(out, "</ListBucketResult>");
    answer_text(c, "200 OK");
}

// What of a body in chunks, HTTP's or those of "aws-chunked", is data, moved to its front.
static size_t without_chunks(char *data, size_t size) {
    char *in = data, *out = data, *end = data + size;
    while (in < end) {
        size_t length = strtoull(in, NULL, 16);
        char *line = memchr(in, '\n', end - in);
        if (!length || !line || length > (size_t)(end - line - 1)) break;
        memmove(out, line + 1, length);
        out += length;
        in = line + 1 + length + 2;
    }
    return out - data;
}

static void put(Connection *c, Parts *upload) {
    if (c->request.streamed) c->body.size = without_chunks(c->body.data, c->body.size);
    if (c->request.chunked) c->body.size = without_chunks(c->body.data, c->body.size);
    if (c->request.if_none_match && *place_of(c->request.key)) {
        error(c, "412 Precondition Failed", "PreconditionFailed");
        return;
    }
    Parts whole = {0};
    size_t number = upload ? strtoull(field(c->request.query, "partNumber"), NULL, 10) : 0;
    add_part(upload ? upload : &whole, number, c->body);
    c->body = (Bytes){0};
    if (!upload) keep(c->request.key, whole);
    char fields[96];
    snprintf(fields, sizeof fields, "ETag: \"%016llx%016zx-1\"\r\n",
             (unsigned long long)hash_of(c->request.key), number);
    answer(c, "200 OK", 0, fields);
}

static void post(Connection *c, Parts *upload) {
    c->text = malloc(4096);
    if (upload) {
        keep(c->request.key, *upload);
        *upload = (Parts){0};
        snprintf(c->text, 4096, XML "<CompleteMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key>"
            "<ETag>&quot;%016llx-2&quot;</ETag></CompleteMultipartUploadResult>", c->request.bucket,
            c->request.key, (unsigned long long)hash_of(c->request.key));
    } else {
        uploads = realloc(uploads, (upload_count + 1) * sizeof *uploads);
        uploads[upload_count] = (Parts){0};
        snprintf(c->text, 4096, XML "<InitiateMultipartUploadResult><Bucket>%s</Bucket><Key>%s</Key>"
            "<UploadId>%zu</UploadId></InitiateMultipartUploadResult>", c->request.bucket,
            c->request.key, upload_count++);
    }
    answer_text(c, "200 OK");
}

static void delete(Connection *c, Parts *upload) {
    if (upload) release(upload);
    else if (*c->request.key) forget(place_of(c->request.key));
    else for (size_t i = 0; i < BUCKETS; i++) while (objects[i]) forget(&objects[i]);
    answer(c, "204 No Content", 0, "");
}

// Who checks what was uploaded says so by the bucket, and is not kept waiting or refused.
static bool is_check(Connection *c) {
    return !strcmp(c->request.bucket, "check");
}

static void respond(Connection *c) {
    char *method = c->request.method, *id = field(c->request.query, "uploadId");
    Parts *upload = id && strtoull(id, NULL, 10) < upload_count ? &uploads[strtoull(id, NULL, 10)] : NULL;
    bool reads = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    c->state = ANSWERING;
    if (!is_check(c) && drand48() < refused) error(c, "503 Slow Down", "SlowDown");
    else if (reads && *c->request.key) get(c);
    else if (reads && field(c->request.query, "list-type")) list(c);
    else if (!strcmp(method, "PUT") && *c->request.key) put(c, upload);
    else if (!strcmp(method, "POST") && (upload || field(c->request.query, "uploads"))) post(c, upload);
    else if (!strcmp(method, "DELETE")) delete(c, upload);
    else if (reads) answer(c, "200 OK", 0, "x-amz-bucket-region: us-east-1\r\n");
    else error(c, "501 Not Implemented", "NotImplemented");
}
