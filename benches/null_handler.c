/*
 * The yardstick of the benchmark: the least that a content handler of httpd can
 * do. It answers from memory; everything around it (reading the request,
 * choosing the file, filters, writing the response) is httpd's own work and the
 * same for every variant.
 *
 *   /            `Hello, World!`
 *   /page        16 KiB, with ten headers
 *   /up          how many bytes the request body has
 *   /block       10 MiB with one call
 *   /chunks      10 MiB as pieces of 64 KiB
 */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

#include "apr_strings.h"

#include <string.h>

#define PIECE (64 * 1024)
#define LARGE (10 * 1024 * 1024)

static char page[16 * 1024];
static char large[LARGE];

static int answer_text(request_rec *r, const char *text)
{
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, (apr_off_t)strlen(text));
    ap_rputs(text, r);
    return OK;
}

/* The headers of benches/apps/browser.py. */
static int answer_page(request_rec *r)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "private, max-age=0, must-revalidate"},
        {"Content-Language", "en"},
        {"Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"},
        {"Referrer-Policy", "same-origin"},
        {"Set-Cookie", "session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; SameSite=Lax"},
        {"Vary", "Accept-Encoding, Cookie"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
    };
    size_t at;

    for (at = 0; at < sizeof(headers) / sizeof(*headers); at++)
        apr_table_setn(r->headers_out, headers[at][0], headers[at][1]);
    ap_set_content_type(r, "text/html; charset=utf-8");
    ap_set_content_length(r, sizeof(page));
    ap_rwrite(page, sizeof(page), r);
    return OK;
}

static int answer_upload(request_rec *r)
{
    char piece[PIECE];
    apr_off_t received = 0;
    long count;
    int status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);

    if (status != OK)
        return status;
    if (ap_should_client_block(r))
        while ((count = ap_get_client_block(r, piece, sizeof(piece))) > 0)
            received += count;
    return answer_text(r, apr_off_t_toa(r->pool, received));
}

static int answer_large(request_rec *r, int piece)
{
    int at;

    ap_set_content_type(r, "application/octet-stream");
    if (piece == LARGE)
        ap_set_content_length(r, LARGE);
    for (at = 0; at < LARGE; at += piece)
        if (ap_rwrite(large + at, piece, r) < 0)
            return OK;
    return OK;
}

static int answer(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "null-handler") != 0)
        return DECLINED;
    if (strcmp(r->uri, "/page") == 0)
        return answer_page(r);
    if (strcmp(r->uri, "/up") == 0)
        return answer_upload(r);
    if (strcmp(r->uri, "/block") == 0)
        return answer_large(r, LARGE);
    if (strcmp(r->uri, "/chunks") == 0)
        return answer_large(r, PIECE);
    return answer_text(r, "Hello, World!");
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    memset(page, 'p', sizeof(page));
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA null_handler_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
