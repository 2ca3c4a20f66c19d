//! Everything that is tested from outside, in one binary: link once, run what is wanted.

// Built for tests only, which is also what lets clippy tell: unwrap and panic are a test's way to fail.
#[cfg(test)]
mod access_log;
#[cfg(test)]
mod agent;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod balancer;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod breakage;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod bucket_trouble;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod closed;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod database;
#[cfg(test)]
mod demo_aws;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod fleet_under_load;
#[cfg(test)]
mod flip;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod fuzzed_dns;
#[cfg(test)]
mod fuzzed_redis;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod init;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod looked_up;
#[cfg(test)]
mod nameserver;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod notify_silence;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod page;
#[cfg(test)]
mod page_published;
#[cfg(test)]
mod page_stack;
#[cfg(test)]
mod page_verified;
#[cfg(test)]
mod pins;
#[cfg(test)]
#[cfg(feature = "aws")]
mod pipeline;
#[cfg(test)]
#[cfg(feature = "aws")]
mod pipeline_runs;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod ramp;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod rfc2136;
#[cfg(test)]
mod rfc2136_load;
#[cfg(test)]
mod route53_breaks;
#[cfg(test)]
mod route53_conforms;
#[cfg(test)]
mod route53_faults;
#[cfg(test)]
mod rule_of_terraform;
#[cfg(test)]
mod run;
#[cfg(test)]
mod schedule;
#[cfg(test)]
mod serve_refuses;
#[cfg(test)]
mod settle;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod simulation;
#[cfg(test)]
#[cfg(feature = "aws")]
mod state_in_s3;
#[cfg(test)]
mod store_conforms;
#[cfg(test)]
mod store_trouble;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terraform;
#[cfg(test)]
mod terraform_agrees;
#[cfg(test)]
mod testers;
#[cfg(test)]
mod try_out;
#[cfg(test)]
mod two_flips;
#[cfg(test)]
mod update_suite;
#[cfg(test)]
mod variable;
#[cfg(test)]
#[cfg(feature = "aws")]
mod variable_in_aws;
#[cfg(test)]
mod watched;
#[cfg(test)]
mod watching;
#[cfg(test)]
#[cfg(feature = "aws")]
mod workers;
