"""``python -m pipeline.engagement``: print the JSON Schema of the engagement file."""

import json

from pipeline.engagement import json_schema

print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
