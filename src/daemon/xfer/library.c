/* libcurl itself; see library.h. */
#include "daemon/xfer/library.h"

#include <curl/curl.h>
#include <errno.h>

#include "base/log.h"

int
xfer_global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		log_err("libcurl cannot be initialised");
		return -EIO;
	}
	if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS)) {
		log_err("this libcurl resolves names without threads, which would block the loop");
		return -ENOTSUP;
	}
	return 0;
}

void
xfer_global_cleanup(void)
{
	curl_global_cleanup();
}

const char *
xfer_versions(void)
{
	return curl_version();
}
