"""``python -m voxtempo.cli``."""

from voxtempo.cli.main import main

raise SystemExit(main())
