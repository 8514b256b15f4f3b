/*
 * The load of the benchmark that does not wait for the server ("open loop"): requests are due at moments that are fixed
 * beforehand, and the latency of each one counts from that moment, whenever it could be sent. A server that stops for a
 * second is charged with all requests that were due in that second, not with the one that was under way.
 *
 * benches/load.py compiles it with cc and runs it; it talks HTTP/1.1 to 127.0.0.1 only and writes one JSON object.
 *
 *   generator PORT RATE WARM_UP SECONDS CONNECTIONS PATIENCE EVERY REQUEST [REQUEST]
 *
 * Requests are files with all bytes of a request. The second one, if there is one, takes the place of every EVERY-th.
 * Requests that are due within WARM_UP seconds are sent and not counted. At the end it waits PATIENCE seconds for
 * answers; a request that has none by then counts as unanswered, with the latency that it has reached.
 *
 * The gaps between requests are those of independent clients (exponentially distributed), from a fixed seed: each server
 * meets the same moments.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_LIMIT 16384
#define EVENTS 256
#define KINDS 2
#define STATUSES 600
/* In the place of a status. */
#define CONNECTION_LOST 0
#define UNANSWERED 1

enum state { CLOSED, IDLE, SENDING, HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, UNTIL_CLOSED };

struct request {
    double due;       /* seconds after the start */
    double latency;
    short status;
    unsigned char kind;
};

struct connection {
    int fd;
    enum state state;
    struct request *request;
    size_t sent;
    int is_reused;     /* it has carried an answer before */
    int status;
    int closes;        /* the server closes it behind this answer */
    uint64_t left;     /* of the body, or of the chunk */
    size_t length;     /* of `line` */
    char line[HEAD_LIMIT];
};

static struct { char *bytes; size_t length; } texts[KINDS];
static struct request *requests;
static size_t total, next_due, answered;
static struct connection *connections;
static int connection_limit, open_connections;
/* Those that are idle, the last used on top, and those that are closed. */
static int *idle, idle_count, *closed, closed_count;
static double epoch, free_since, *lags;
static size_t lag_count;
static struct sockaddr_in address;
static int poller;

static void die(const char *what)
{
    fprintf(stderr, "generator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9 - epoch;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        die("memory");
    return memory;
}

static void read_text(int kind, const char *path)
{
    FILE *file = fopen(path, "rb");
    long length;

    if (!file || fseek(file, 0, SEEK_END) != 0 || (length = ftell(file)) <= 0)
        die(path);
    rewind(file);
    texts[kind].bytes = allocate((size_t)length, 1);
    texts[kind].length = (size_t)length;
    if (fread(texts[kind].bytes, 1, (size_t)length, file) != (size_t)length)
        die(path);
    fclose(file);
}

/* A number from (0, 1]; xorshift64*, so that it is the same on each machine. */
static double chance(void)
{
    static uint64_t seed = 0x9E3779B97F4A7C15u;

    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (double)((seed * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0 + 1e-17;
}

static void plan(double rate, double length, size_t every, int kinds)
{
    size_t room = (size_t)(rate * length * 1.2) + 1000;
    double due = 0;

    requests = allocate(room, sizeof *requests);
    lags = allocate(room, sizeof *lags);
    while (total < room && (due += -log(chance()) / rate) < length) {
        requests[total].due = due;
        requests[total].kind = (unsigned char)(kinds > 1 && total % every == every - 1);
        total++;
    }
}

static void finish(struct request *request, int status)
{
    request->status = (short)status;
    request->latency = now() - request->due;
    answered++;
}

static void close_connection(struct connection *c)
{
    close(c->fd);
    c->state = CLOSED;
    c->request = NULL;
    open_connections--;
    closed[closed_count++] = (int)(c - connections);
}

static void forget_idle(struct connection *c)
{
    int at, index = (int)(c - connections);

    for (at = 0; at < idle_count; at++)
        if (idle[at] == index) {
            memmove(idle + at, idle + at + 1, (size_t)(idle_count - at - 1) * sizeof *idle);
            idle_count--;
            return;
        }
}

static int open_connection(struct connection *c)
{
    struct epoll_event event;
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        close(c->fd);
        return 0;
    }
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = c;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll_ctl");
    c->is_reused = 0;
    open_connections++;
    return 1;
}

static void lose(struct connection *c);

static void send_more(struct connection *c)
{
    const char *bytes = texts[c->request->kind].bytes;
    size_t length = texts[c->request->kind].length;

    while (c->sent < length) {
        ssize_t done = send(c->fd, bytes + c->sent, length - c->sent, MSG_NOSIGNAL);

        if (done < 0) {
            if (errno != EAGAIN && errno != ENOTCONN && errno != EINTR)
                lose(c);
            return;
        }
        c->sent += (size_t)done;
    }
    c->state = HEAD;
    c->length = 0;
}

static void begin(struct connection *c, struct request *request)
{
    c->request = request;
    c->sent = 0;
    c->status = 0;
    c->state = SENDING;
    send_more(c);
}

/* The connection broke. A server may close an idle one at any moment: what was sent into that is sent again. */
static void lose(struct connection *c)
{
    struct request *request = c->request;
    int may_repeat = c->is_reused && c->state <= HEAD && c->length == 0;

    close_connection(c);
    if (!request)
        return;
    if (may_repeat) {
        closed_count--; /* the one that was just put there */
        if (open_connection(c)) {
            begin(c, request);
            return;
        }
        closed_count++;
    }
    finish(request, CONNECTION_LOST);
}

static void answer_is_whole(struct connection *c)
{
    finish(c->request, c->status);
    c->request = NULL;
    if (idle_count == 0 && open_connections == connection_limit)
        free_since = now();
    if (c->closes) {
        close_connection(c);
        return;
    }
    c->is_reused = 1;
    c->state = IDLE;
    idle[idle_count++] = (int)(c - connections);
}

static const char *header(const char *head, const char *name)
{
    const char *line = head;
    size_t length = strlen(name);

    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " ");
    }
    return NULL;
}

static void head_is_whole(struct connection *c)
{
    const char *value;

    c->line[c->length] = 0;
    if (sscanf(c->line, "HTTP/1.%*d %d", &c->status) != 1 || c->status < 100 || c->status >= STATUSES) {
        c->status = CONNECTION_LOST;
        c->state = UNTIL_CLOSED;
        return;
    }
    value = header(c->line, "Connection");
    c->closes = value && strncasecmp(value, "close", 5) == 0;
    if ((value = header(c->line, "Transfer-Encoding")) && strncasecmp(value, "chunked", 7) == 0) {
        c->state = CHUNK_SIZE;
    } else if ((value = header(c->line, "Content-Length"))) {
        c->left = strtoull(value, NULL, 10);
        c->state = BODY;
    } else {
        c->closes = 1;
        c->state = UNTIL_CLOSED;
    }
    c->length = 0;
    if (c->state == BODY && c->left == 0)
        answer_is_whole(c);
}

/* A line that ends in \n is in `line`: what follows it. */
static void line_is_whole(struct connection *c)
{
    c->line[c->length] = 0;
    if (c->state == CHUNK_SIZE) {
        c->left = strtoull(c->line, NULL, 16);
        c->state = c->left ? CHUNK : TRAILER;
    } else if (c->state == CHUNK_END) {
        c->state = CHUNK_SIZE;
    } else if (c->line[0] == '\r') {
        answer_is_whole(c);
    }
    c->length = 0;
}

static void take(struct connection *c, const char *bytes, size_t count)
{
    size_t at = 0;

    while (at < count && c->request) {
        if (c->state == BODY || c->state == CHUNK) {
            size_t part = count - at < c->left ? count - at : (size_t)c->left;

            at += part;
            c->left -= part;
            if (c->left == 0 && c->state == CHUNK)
                c->state = CHUNK_END;
            else if (c->left == 0)
                answer_is_whole(c);
        } else if (c->state == UNTIL_CLOSED) {
            at = count;
        } else {
            if (c->length == HEAD_LIMIT - 1)
                c->length = 0;
            c->line[c->length++] = bytes[at++];
            if (c->line[c->length - 1] != '\n')
                continue;
            if (c->state != HEAD)
                line_is_whole(c);
            else if (c->length >= 4 && memcmp(c->line + c->length - 4, "\r\n\r\n", 4) == 0)
                head_is_whole(c);
        }
    }
}

static void receive(struct connection *c)
{
    static char bytes[1 << 16];

    while (c->state != CLOSED) {
        ssize_t count = recv(c->fd, bytes, sizeof bytes, 0);

        if (count > 0) {
            if (c->request)
                take(c, bytes, (size_t)count);
        } else if (count < 0 && errno == EINTR) {
            continue;
        } else if (count < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            return;
        } else if (c->state == UNTIL_CLOSED && c->request) {
            c->closes = 1;
            answer_is_whole(c);
        } else {
            if (c->state == IDLE)
                forget_idle(c);
            lose(c);
            return;
        }
    }
}

/* Sends what is due, as far as there are connections for it. */
static void send_due(void)
{
    double time = now();

    while (next_due < total && requests[next_due].due <= time) {
        struct request *request = &requests[next_due];
        struct connection *c;

        if (idle_count > 0) {
            c = &connections[idle[--idle_count]];
        } else if (open_connections < connection_limit) {
            c = &connections[closed[--closed_count]];
            if (!open_connection(c)) {
                closed_count++;
                next_due++;
                finish(request, CONNECTION_LOST);
                continue;
            }
        } else {
            return;
        }
        next_due++;
        /* How late this program itself was: it had the request and a connection, and did something else. */
        lags[lag_count++] = time - (request->due > free_since ? request->due : free_since);
        begin(c, request);
    }
}

static void run(double patience)
{
    double end = requests[total - 1].due + patience;
    struct epoll_event events[EVENTS];

    while (answered < total && now() < end) {
        struct timespec wait = {0, 100000000};
        int count, at;

        send_due();
        if (next_due < total && (idle_count > 0 || open_connections < connection_limit)) {
            double left = requests[next_due].due - now();

            left = left < 0 ? 0 : left > 0.1 ? 0.1 : left;
            wait.tv_nsec = (long)(left * 1e9);
        }
        count = epoll_pwait2(poller, events, EVENTS, &wait, NULL);
        for (at = 0; at < count; at++) {
            struct connection *c = events[at].data.ptr;

            if (c->state == SENDING)
                send_more(c);
            if (c->state != CLOSED)
                receive(c);
        }
    }
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double quantile(const double *sorted, size_t count, double part)
{
    size_t at = (size_t)ceil(part * (double)count);

    return count == 0 ? 0 : sorted[at == 0 ? 0 : at - 1];
}

static void show_latencies(const char *name, double *seconds, size_t count)
{
    qsort(seconds, count, sizeof *seconds, by_size);
    printf("\"%s\": {\"count\": %zu, \"p50\": %.7f, \"p99\": %.7f, \"p999\": %.7f, \"max\": %.7f}", name, count,
           quantile(seconds, count, 0.5), quantile(seconds, count, 0.99), quantile(seconds, count, 0.999),
           quantile(seconds, count, 1));
}

/* Answers with a status of 2xx, and those that refuse, lose or leave a request unanswered, each by itself. */
static void show_kind(int kind, double warm_up)
{
    double *good = allocate(total, sizeof *good), *bad = allocate(total, sizeof *bad);
    size_t good_count = 0, bad_count = 0, statuses[STATUSES] = {0}, at;
    const char *comma = "";

    for (at = 0; at < total; at++) {
        struct request *r = &requests[at];

        if (r->kind != kind || r->due < warm_up)
            continue;
        statuses[r->status]++;
        if (r->status >= 200 && r->status < 300)
            good[good_count++] = r->latency;
        else
            bad[bad_count++] = r->latency;
    }
    printf("{");
    show_latencies("good", good, good_count);
    printf(", ");
    show_latencies("bad", bad, bad_count);
    printf(", \"statuses\": {");
    for (at = 0; at < STATUSES; at++)
        if (statuses[at]) {
            if (at == CONNECTION_LOST || at == UNANSWERED)
                printf("%s\"%s\": %zu", comma, at == UNANSWERED ? "unanswered" : "lost", statuses[at]);
            else
                printf("%s\"%zu\": %zu", comma, at, statuses[at]);
            comma = ", ";
        }
    printf("}}");
    free(good);
    free(bad);
}

/* Marks those without an answer. How many seconds it took until the last answer had come, for the rate that was reached. */
static double settle(double warm_up, double seconds)
{
    double last = warm_up + seconds;
    size_t at;

    for (at = 0; at < total; at++) {
        struct request *r = &requests[at];

        if (r->latency == 0)
            finish(r, UNANSWERED);
        else if (r->due + r->latency > last)
            last = r->due + r->latency;
    }
    return last - warm_up;
}

int main(int count, char **words)
{
    int kinds = count - 8, kind;
    double warm_up, seconds, took;

    if (kinds < 1 || kinds > KINDS) {
        fprintf(stderr, "generator PORT RATE WARM_UP SECONDS CONNECTIONS PATIENCE EVERY REQUEST [REQUEST]\n");
        return 2;
    }
    warm_up = atof(words[3]);
    seconds = atof(words[4]);
    connection_limit = atoi(words[5]);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(words[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (kind = 0; kind < kinds; kind++)
        read_text(kind, words[8 + kind]);
    plan(atof(words[2]), warm_up + seconds, (size_t)atol(words[7]), kinds);
    if (total == 0 || connection_limit < 1)
        return 2;
    connections = allocate((size_t)connection_limit, sizeof *connections);
    idle = allocate((size_t)connection_limit, sizeof *idle);
    closed = allocate((size_t)connection_limit + 1, sizeof *closed);
    while (closed_count < connection_limit) {
        closed[closed_count] = connection_limit - 1 - closed_count;
        closed_count++;
    }
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");
    epoch = now();
    run(atof(words[6]));
    took = settle(warm_up, seconds);
    qsort(lags, lag_count, sizeof *lags, by_size);
    printf("{\"took\": %.6f, \"lag_p99\": %.7f, \"kinds\": [", took, quantile(lags, lag_count, 0.99));
    for (kind = 0; kind < kinds; kind++) {
        if (kind)
            printf(", ");
        show_kind(kind, warm_up);
    }
    printf("]}\n");
    return 0;
}
