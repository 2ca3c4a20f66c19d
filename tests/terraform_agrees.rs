//! Real Terraform and Roadworks on the same record: after a flip by either, the other agrees.

use std::fs;

use serde_json::Value;

use crate::support::emulator::ministack;
use crate::support::site::{MAIN_TF, NAME, Site};
use crate::support::terraform::Terraform;

/// What the seed's author has beside main.tf, as little of it as an emulator needs.
const STACK: &str = r#"
variable "url" {}
variable "route53_zone_id" {}

provider "aws" {
  region                      = "us-east-1"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
}

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "each" {
  count             = 2
  vpc_id            = aws_vpc.main.id
  cidr_block        = "10.0.${count.index}.0/24"
  availability_zone = ["us-east-1a", "us-east-1b"][count.index]
}

resource "aws_lb" "load_balancer" {
  name               = "shop-UNIQUE"
  load_balancer_type = "application"
  subnets            = aws_subnet.each[*].id
}

data "aws_cloudfront_distribution" "maintenance" {
  id = "DISTRIBUTION"
}
"#;

const DISTRIBUTION: &str = r#"<DistributionConfig xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><CallerReference>maintenance</CallerReference><Aliases><Quantity>1</Quantity><Items><CNAME>app.example.com</CNAME></Items></Aliases><Origins><Quantity>1</Quantity><Items><Origin><Id>page</Id><DomainName>page.s3.amazonaws.com</DomainName><S3OriginConfig><OriginAccessIdentity></OriginAccessIdentity></S3OriginConfig></Origin></Items></Origins><DefaultCacheBehavior><TargetOriginId>page</TargetOriginId><ViewerProtocolPolicy>redirect-to-https</ViewerProtocolPolicy><MinTTL>0</MinTTL><ForwardedValues><QueryString>false</QueryString><Cookies><Forward>none</Forward></Cookies></ForwardedValues></DefaultCacheBehavior><Comment></Comment><Enabled>true</Enabled></DistributionConfig>"#;

/// The id of a new distribution, made outside of Terraform as the seed's author has it.
fn distribution(endpoint: &str) -> String {
    let (status, answer) =
        crate::support::http::call(endpoint, "POST", "/2020-05-31/distribution", DISTRIBUTION);
    // 200 where a run before this one has made it already.
    assert!(matches!(status, 200 | 201), "{answer}");
    let parsed = crate::support::route53::xml::Element::parse(&answer).unwrap();
    parsed.at(&["Id"]).expect("a distribution has an id").to_owned()
}

fn alias(site: &Site, kind: &str, attribute: &str) -> String {
    let state: Value = serde_json::from_str(&site.read("terraform.tfstate").unwrap()).unwrap();
    let resources = state["resources"].as_array().unwrap();
    let found = resources.iter().find(|resource| resource["type"] == kind).unwrap();
    found["instances"][0]["attributes"][attribute].as_str().unwrap().to_owned()
}

#[test]
fn after_a_flip_by_either_the_other_agrees() {
    let Some(terraform) =
        Terraform::here("terraform_agrees::after_a_flip_by_either_the_other_agrees")
    else {
        return;
    };
    let endpoint = ministack();
    let site = Site::at(&endpoint);
    site.remove("terraform.tfstate");
    let stack = STACK.replace("UNIQUE", &std::process::id().to_string());
    site.write("stack.tf", &stack.replace("DISTRIBUTION", &distribution(&endpoint)));
    let tf = |words: &[&str]| terraform.run(site.folder(), &endpoint, words);
    let agrees = || tf(&["plan", "-detailed-exitcode", "-no-color"]).exits(0);
    tf(&["init", "-no-color"]).exits(0);
    tf(&["apply", "-auto-approve", "-no-color"]).exits(0);
    let (live, maintenance) = (
        alias(&site, "aws_lb", "dns_name"),
        alias(&site, "aws_cloudfront_distribution", "domain_name"),
    );
    assert_eq!(site.leads_to(), live.to_lowercase());
    agrees();

    site.run(&["plan", "-var", "maintenance_mode=true", "-detailed-exitcode"]).exits(2);
    site.run(&["detour", "--yes"]).exits(0);
    assert_eq!(site.leads_to(), maintenance);
    agrees();

    site.run(&["open", "--yes"]).exits(0);
    assert_eq!(site.leads_to(), live.to_lowercase());
    agrees();

    tf(&["apply", "-auto-approve", "-no-color", "-var", "maintenance_mode=true"]).exits(0);
    let status = site.run(&["status", "--json"]).exits(0).json();
    assert_eq!((&status["site"], &status["mode"]), (&Value::from(NAME), &Value::from("detour")));
    assert_eq!(fs::read_to_string(site.folder().join("main.tf")).unwrap(), MAIN_TF);
}
