"""Holds what was asked and answered against botocore's model: the request as botocore would check it, the answer member by member.

conforms.py FILE: a JSON list of [target, input, output]. Exit 1 with a line for each difference.
"""

import json
import re
import sys

import botocore.session
from botocore.validate import ParamValidator

SERVICES = {"AmazonSSM": "ssm", "CodePipeline_20150709": "codepipeline", "CodeBuild_20161006": "codebuild"}
TYPES = {
    "string": str, "boolean": bool, "integer": int, "long": int, "timestamp": (int, float), "double": (int, float),
    "structure": dict, "map": dict, "list": list,
}


def differences(shape, value, place, needed):
    kind = TYPES[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and shape.type_name != "boolean"):
        return [f"{place}: {value!r} is no {shape.type_name}"]
    found = []
    if shape.type_name == "structure":
        found += [f"{place}: no member {name}" for name in value if name not in shape.members]
        found += [f"{place}: lacks {name}" for name in shape.required_members if needed and name not in value]
        for name, member in shape.members.items():
            if name in value:
                found += differences(member, value[name], f"{place}.{name}", needed)
    elif shape.type_name == "list":
        for at, one in enumerate(value):
            found += differences(shape.member, one, f"{place}[{at}]", needed)
    elif shape.type_name == "map":
        for name, one in value.items():
            found += differences(shape.value, one, f"{place}[{name}]", needed)
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            found.append(f"{place}: {value!r} is not one of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            found.append(f"{place}: {value!r} does not fit {pattern}")
        if len(value) > shape.metadata.get("max", len(value)) or len(value) < shape.metadata.get("min", 0):
            found.append(f"{place}: {value!r} is too long or too short")
    return found


def main():
    talk = json.load(open(sys.argv[1]))
    session = botocore.session.get_session()
    wrong, seen = [], set()
    for target, asked, answered in talk:
        prefix, operation = target.split(".")
        model = session.get_service_model(SERVICES[prefix]).operation_model(operation)
        seen.add(operation)
        report = ParamValidator().validate(asked, model.input_shape)
        if report.has_errors():
            wrong.append(f"{operation} asks: {report.generate_report()}")
        wrong += differences(model.input_shape, asked, f"{operation} asks", True)
        if model.output_shape is None:
            wrong += [f"{operation} answers {answered!r}, and has no answer"] if answered else []
        else:
            wrong += differences(model.output_shape, answered, f"{operation} answers", True)
    print("\n".join(sorted(set(wrong))), file=sys.stderr)
    print(f"{len(talk)} requests of {', '.join(sorted(seen))}")
    sys.exit(1 if wrong or not talk else 0)


main()
