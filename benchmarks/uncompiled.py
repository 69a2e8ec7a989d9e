"""`python -m benchmarks.uncompiled collect ...`: our command line as where no C compiler was."""

import os

if __name__ == "__main__":
    os.environ["PARKPULSE_WALKER"] = "python"
    from parkpulse import main

    main()
