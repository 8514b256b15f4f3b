"""`python -m mod_wsgi_rs` is wsgi-express."""

import sys

from .command import main

sys.exit(main())
