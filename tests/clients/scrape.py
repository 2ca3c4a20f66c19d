"""Reads a page of metrics from standard input as a scraper does, and prints the name of each family."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.name)
