"""``python -m pipeline.engagement``: print the JSON Schema of the engagement file, or with ``risk``
that of a file of risk rules."""

import json
import sys

from pipeline.engagement import json_schema, policy_json_schema

schema = policy_json_schema() if sys.argv[1:] == ["risk"] else json_schema()
print(json.dumps(schema, indent=2, ensure_ascii=False))
