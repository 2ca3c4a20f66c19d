//! The transcripts of tests/cli, which are also documentation: each runs in a folder with the seed's files, against a
//! strict Route 53 of its own. `TRYCMD=overwrite` writes them anew; then put `[..]` back where times stood.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::route53::Route53;
use crate::support::site::Site;

fn transcript(name: &str) {
    let server = Route53::start();
    server.pending_for(0);
    let site = Site::at(&server.endpoint());
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/{name}.md"));
    // trycmd runs the commands of NAME.md in NAME.in beside it, and leaves there what they leave.
    let stage = tempfile::tempdir().unwrap();
    let played = stage.path().join(format!("{name}.md"));
    fs::copy(&kept, &played).unwrap();
    symlink(site.folder(), stage.path().join(format!("{name}.in"))).unwrap();
    trycmd::TestCases::new()
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", site.folder().join(".home").display().to_string())
        .env("NO_COLOR", "1")
        .case(&played)
        .run();
    if env::var("TRYCMD").is_ok_and(|mode| mode == "overwrite") {
        fs::copy(&played, &kept).unwrap();
    }
}

#[test]
fn the_flip_reads_as_its_transcript_says() {
    transcript("flip");
}

#[test]
fn refusals_read_as_their_transcript_says() {
    transcript("refusals");
}
