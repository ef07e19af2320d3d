// What is kept, and what a key says.

static void release(Parts *parts) {
    for (size_t i = 0; i < parts->count; i++) free(parts->parts[i].data);
    free(parts->parts);
    *parts = (Parts){0};
}

static Object **place_of(const char *key) {
    uint64_t hash = hash_of(key);
    Object **place = &objects[hash % BUCKETS];
    while (*place && ((*place)->hash != hash || strcmp((*place)->key, key))) place = &(*place)->next;
    return place;
}

static void forget(Object **place) {
    Object *object = *place;
    if (!object) return;
    *place = object->next;
    release(&object->parts);
    free(object->key);
    free(object);
}

static void keep(const char *key, Parts parts) {
    forget(place_of(key));
    Object **place = &objects[hash_of(key) % BUCKETS], *object = malloc(sizeof *object);
    *object = (Object){strdup(key), hash_of(key), parts, *place};
    *place = object;
}

static void add_part(Parts *parts, size_t number, Bytes bytes) {
    if (number >= parts->count) {
        parts->parts = realloc(parts->parts, (number + 1) * sizeof *parts->parts);
        memset(parts->parts + parts->count, 0, (number + 1 - parts->count) * sizeof *parts->parts);
        parts->count = number + 1;
    }
    parts->size += bytes.size - parts->parts[number].size;
    free(parts->parts[number].data);
    parts->parts[number] = bytes;
}

// The count and size in "5000x4096", and what follows; false if it is no such name.
static bool family(const char *key, size_t *count, size_t *size, char **rest) {
    *count = strtoull(key, rest, 10);
    if (*rest == key || **rest != 'x') return false;
    *size = strtoull(*rest + 1, rest, 10);
    return true;
}
