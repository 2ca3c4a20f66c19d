//! A large folder: what it costs grows with its size, and not faster.

use std::fmt::Write;

use super::Trial;

/// Resources, a tenth of which are records; half of these move. A module, locals and a state as large.
fn large(resources: usize) -> Trial {
    let records = resources / 10;
    let mut main = String::from(
        "variable \"maintenance_mode\" {\n  type = bool\n  default = false\n}\nlocals {\n  page = \"page.x.org\"\n}\n",
    );
    let mut state = Vec::new();
    for at in 0..resources - records {
        let _infallible = write!(
            main,
            "resource \"aws_instance\" \"i{at}\" {{\n  ami           = \"ami-{at}\"\n  instance_type = \"t3.micro\"\n  \
             subnet_id     = aws_subnet.s{at}.id\n\n  tags = {{\n    Name = \"host-{at}\"\n    Env  = terraform.workspace\n  }}\n}}\n\n"
        );
        state.push((
            format!("aws_instance.i{at}"),
            format!("{{\"id\": \"i-{at}\", \"dns\": \"h{at}.x.org\", \"tags\": {{\"a\": \"b\"}}}}"),
        ));
    }
    for at in 0..records {
        let value =
            if at % 2 == 0 { "local.page".to_owned() } else { format!("aws_instance.i{at}.dns") };
        let _infallible = write!(
            main,
            "resource \"aws_route53_record\" \"r{at}\" {{\n  zone_id = \"Z1\"\n  name    = \"r{at}.x.org\"\n  type    = \"CNAME\"\n  \
             ttl     = 60\n  records = [var.maintenance_mode ? {value} : aws_instance.i{at}.dns]\n}}\n\n"
        );
    }
    let state: Vec<(&str, &str)> =
        state.iter().map(|(address, text)| (address.as_str(), text.as_str())).collect();
    Trial::new(&main).state(&state)
}

/// The faster of two runs: the machine has other work.
#[expect(clippy::disallowed_methods, reason = "what it measures is the time")]
fn seconds(trial: &Trial) -> f64 {
    let run = || {
        let begin = std::time::Instant::now();
        trial.find();
        begin.elapsed().as_secs_f64()
    };
    run().min(run())
}

#[test]
fn a_folder_of_two_thousand_resources_tells_the_records_that_move() {
    assert_eq!(large(2_000).find().records.len(), 100);
}

#[test]
fn eight_times_the_resources_cost_about_eight_times_as_much() {
    let ratio = seconds(&large(4_000)) / seconds(&large(500));
    // Linear is 8, quadratic 64.
    assert!(ratio < 24.0, "{ratio}");
}
