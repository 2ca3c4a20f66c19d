//! What the packages say, as far as it can be tried without a container engine or systemd as process 1.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::app::App;
use crate::support::serving::{LONG, Stand, config};
use crate::support::terraform::skipped;

fn packaging(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn systemd_takes_the_units_as_they_are() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skipped("systemd_takes_the_units_as_they_are", "systemd-analyze");
    }
    let folder = tempfile::tempdir().unwrap();
    for unit in ["roadworks.service", "roadworks.socket"] {
        // The program is not installed here, and it is looked for.
        let text = packaging(&format!("systemd/{unit}"))
            .replace("/usr/bin/roadworks", env!("CARGO_BIN_EXE_roadworks"));
        fs::write(folder.path().join(unit), text).unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").current_dir(folder.path());
    let said = verify.args(["./roadworks.service", "./roadworks.socket"]).output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{words}");
    // A key that it does not know is a warning to it; to us it is a mistake. Of other units we know nothing.
    let ours: Vec<_> = words.lines().filter(|line| line.contains("roadworks.")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn the_task_definition_and_the_image_agree() {
    let task: Value = serde_json::from_str(&packaging("ecs/task-definition.json")).unwrap();
    let container = &task["containerDefinitions"][0];
    let image = packaging("docker/Dockerfile");
    let user = container["user"].as_str().unwrap();
    assert!(image.contains(&format!("USER {user}")), "{user}");
    let command = &container["healthCheck"]["command"];
    assert_eq!(command[0], "CMD");
    let health = format!("CMD [{}, {}]", command[1], command[2]);
    assert!(image.contains(&health), "{health}");
    let state = container["mountPoints"][0]["containerPath"].as_str().unwrap();
    assert!(image.contains(&format!("STATE_DIRECTORY={state}")), "{state}");
    let last = image.rsplit("FROM ").next().unwrap();
    assert!(last.starts_with("scratch") && !last.contains("RUN "), "no shell in the image");
}

#[test]
fn the_service_manager_is_told_that_it_is_ready_and_what_visitors_get() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let app = App::start();
    let stand = Stand::new(&config(&app.url(), ""));
    let mut command = stand.command(&["serve"]);
    let serving = stand.serve_by(command.env("NOTIFY_SOCKET", &path));
    let hears = |wanted: &str| loop {
        let mut message = [0; 4096];
        let length = manager.recv(&mut message).expect(wanted);
        let told = String::from_utf8_lossy(&message[..length]).into_owned();
        if told.contains(wanted) {
            return told;
        }
    };
    assert!(hears("READY=1").contains("STATUS=serving shop (open)"));
    stand.run(&["hold", "--yes"]).exits(0);
    hears("STATUS=serving shop (hold)");
    serving.signal("TERM");
    hears("STOPPING=1");
}
