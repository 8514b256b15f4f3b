/*
 * The yardstick of the benchmark: the least that a content handler of httpd can
 * do. It answers `Hello, World!` from memory; everything around it (reading the
 * request, choosing the file, filters, writing the response) is httpd's own work
 * and the same for every variant.
 */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

#include <string.h>

static int answer(request_rec *r)
{
    static const char body[] = "Hello, World!";

    if (!r->handler || strcmp(r->handler, "null-handler") != 0)
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, sizeof(body) - 1);
    ap_rwrite(body, sizeof(body) - 1, r);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA null_handler_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
