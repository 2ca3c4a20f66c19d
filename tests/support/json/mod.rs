//! `CodePipeline`, `CodeBuild` and the parameters of Systems Manager on loopback (awsJson1.1), for what no emulator has: stages with
//! their transitions, an execution that waits, enters and ends, and faults on the wire.
//!
//! It never forgives: what the real one refuses by its model is refused here. All that is asked and answered is kept, and
//! tests/support/json/conforms.py holds it against botocore's model.

mod pipeline;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

use super::command::Ran;
pub(crate) use pipeline::Pipeline;

type Meddling = Box<dyn FnOnce(&mut Cloud) + Send>;

/// What goes wrong with a request.
pub(crate) enum Fault {
    Throttling,
    AccessDenied,
    ExpiredToken,
    /// It takes effect, and nobody hears of it.
    Cut,
    /// Somebody else is quicker.
    Meddle(Meddling),
}

/// A parameter.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) kind: &'static str,
    pub(crate) value: String,
    pub(crate) version: i64,
    pub(crate) description: Option<String>,
}

/// What the server holds.
#[derive(Default)]
pub(crate) struct Cloud {
    pub(crate) pipelines: BTreeMap<String, Pipeline>,
    pub(crate) parameters: BTreeMap<String, Parameter>,
    /// Projects of `CodeBuild`: each with its environment.
    pub(crate) projects: BTreeMap<String, Value>,
    planned: Vec<(String, Fault)>,
    talk: Vec<(String, Value, Value)>,
}

/// A code and words.
type Refused = (&'static str, String);

impl Cloud {
    /// Writes a parameter as somebody else would.
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        let parameter = self.parameters.get_mut(name).expect("the parameter was made");
        parameter.value = value.to_owned();
        parameter.version += 1;
    }

    /// The next `times` requests for that operation come at a time when AWS is too busy.
    pub(crate) fn fails(&mut self, operation: &str, times: usize) {
        let busy = (0..times).map(|_| (operation.to_owned(), Fault::Throttling));
        self.planned.extend(busy);
    }

    fn answer(&mut self, target: &str, input: &Value) -> Result<Value, Refused> {
        let operation = target.split('.').next_back().unwrap_or_default();
        match operation {
            "GetParameter" | "DescribeParameters" | "PutParameter" => {
                self.parameter(operation, input)
            }
            "BatchGetProjects" => {
                let name = input["names"][0].as_str().unwrap_or_default();
                let found = self.projects.get(name);
                let found =
                    found.map(|environment| json!({ "name": name, "environment": environment }));
                Ok(match found {
                    Some(project) => json!({ "projects": [project], "projectsNotFound": [] }),
                    None => json!({ "projects": [], "projectsNotFound": [name] }),
                })
            }
            "UpdateProject" => {
                let name = input["name"].as_str().unwrap_or_default().to_owned();
                self.projects.insert(name.clone(), input["environment"].clone());
                Ok(json!({ "project": { "name": name, "environment": input["environment"] } }))
            }
            _ => self.pipeline(operation, input),
        }
    }

    fn pipeline(&mut self, operation: &str, input: &Value) -> Result<Value, Refused> {
        let of_definition = || input["pipeline"]["name"].as_str();
        let name = input["pipelineName"].as_str().or_else(|| input["name"].as_str());
        let name = name.or_else(of_definition).unwrap_or_default();
        let absent = || {
            format!(
                "The account with id '123456789012' does not include a pipeline with the name '{name}'"
            )
        };
        match self.pipelines.get_mut(name) {
            Some(pipeline) => pipeline.answer(operation, input),
            None => Err(("PipelineNotFoundException", absent())),
        }
    }

    fn parameter(&mut self, operation: &str, input: &Value) -> Result<Value, Refused> {
        let filtered = || input["ParameterFilters"][0]["Values"][0].as_str();
        let name = input["Name"].as_str().or_else(filtered).unwrap_or_default();
        let Some(parameter) = self.parameters.get_mut(name) else {
            return Err(("ParameterNotFound", String::new()));
        };
        match operation {
            "GetParameter" if parameter.kind == "SecureString" && parameter.value == "sealed" => {
                Err(("InvalidKeyId", "The key is not accessible".to_owned()))
            }
            "GetParameter" => Ok(json!({ "Parameter": {
                "Name": name, "Type": parameter.kind, "Value": parameter.value,
                "Version": parameter.version, "DataType": "text",
            } })),
            "DescribeParameters" => {
                let mut described = json!({
                    "Name": name, "Type": parameter.kind, "Version": parameter.version,
                    "Tier": "Standard", "DataType": "text",
                });
                if let Some(description) = &parameter.description {
                    described["Description"] = json!(description);
                }
                Ok(json!({ "Parameters": [described] }))
            }
            _ if input["Overwrite"] != true => {
                Err(("ParameterAlreadyExists", "The parameter already exists.".to_owned()))
            }
            _ => {
                parameter.value = input["Value"].as_str().unwrap_or_default().to_owned();
                parameter.version += 1;
                // What is not said again is gone: the strictest reading of the documentation.
                parameter.description = input["Description"].as_str().map(str::to_owned);
                Ok(json!({ "Version": parameter.version, "Tier": "Standard" }))
            }
        }
    }

    fn fault(&mut self, target: &str) -> Option<Fault> {
        let hit = self.planned.iter().position(|(of, _)| target.ends_with(&format!(".{of}")))?;
        Some(self.planned.remove(hit).1)
    }

    /// The answer's status and body; `None` where the connection is cut.
    fn served(&mut self, target: &str, input: &Value) -> Option<(u16, String)> {
        let refused = |code: &str, message: String| {
            Some((400, json!({ "__type": code, "message": message }).to_string()))
        };
        let fault = self.fault(target);
        match fault {
            Some(Fault::Throttling) => {
                return refused("ThrottlingException", "Rate exceeded".to_owned());
            }
            Some(Fault::AccessDenied) => {
                let operation = target.split('.').next_back().unwrap_or_default();
                return refused(
                    "AccessDeniedException",
                    format!(
                        "User: arn:aws:iam::123456789012:user/ana is not authorized to perform: {operation}"
                    ),
                );
            }
            Some(Fault::ExpiredToken) => {
                return refused(
                    "ExpiredTokenException",
                    "The security token included in the request is expired".to_owned(),
                );
            }
            Some(Fault::Meddle(with)) => with(self),
            Some(Fault::Cut) => {
                let _unheard = self.answer(target, input);
                return None;
            }
            None => {}
        }
        match self.answer(target, input) {
            Err((code, message)) => refused(code, message),
            Ok(answer) => {
                self.talk.push((target.to_owned(), input.clone(), answer.clone()));
                Some((200, if answer.is_null() { String::new() } else { answer.to_string() }))
            }
        }
    }
}

/// The running server. It ends with the process of the test.
#[derive(Clone)]
pub(crate) struct Json {
    address: SocketAddr,
    cloud: Arc<Mutex<Cloud>>,
}

impl Json {
    pub(crate) fn start() -> Json {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let cloud = Arc::new(Mutex::new(Cloud::default()));
        let shared = Arc::clone(&cloud);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // An error here is a client that was killed.
                let _ended = thread::Builder::new().spawn(move || drop(one(&stream, &shared)));
            }
        };
        thread::Builder::new().name("json".to_owned()).spawn(serve).unwrap();
        Json { address, cloud }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn cloud<T>(&self, with: impl FnOnce(&mut Cloud) -> T) -> T {
        with(&mut self.cloud.lock().unwrap())
    }

    /// With what is held of the pipeline `name`.
    pub(crate) fn pipeline<T>(&self, name: &str, with: impl FnOnce(&mut Pipeline) -> T) -> T {
        self.cloud(|cloud| with(cloud.pipelines.get_mut(name).expect("the pipeline was made")))
    }

    /// The next request for that operation meets `fault`.
    pub(crate) fn fault(&self, operation: &str, fault: Fault) {
        self.cloud(|cloud| cloud.planned.push((operation.to_owned(), fault)));
    }

    /// The same for somebody who is quicker.
    pub(crate) fn meddle(&self, operation: &str, with: impl FnOnce(&mut Cloud) + Send + 'static) {
        self.fault(operation, Fault::Meddle(Box::new(with)));
    }

    /// The inputs of an operation that were answered well, in their order.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Value> {
        let of = format!(".{operation}");
        self.cloud(|cloud| {
            let talk = cloud.talk.iter().filter(|(target, ..)| target.ends_with(&of));
            talk.map(|(_, input, _)| input.clone()).collect()
        })
    }

    /// The command, asking this server for what it has.
    pub(crate) fn around(&self, mut command: Command) -> Command {
        for service in ["CODEPIPELINE", "CODEBUILD", "SSM"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), self.endpoint());
        }
        command
    }

    /// Fails the test unless all that was asked and answered is as botocore's model says.
    #[track_caller]
    pub(crate) fn conforms(&self) {
        let talk = self.cloud(|cloud| json!(cloud.talk));
        let aws = super::emulator::aws_cli();
        let python = std::path::Path::new(&aws).with_file_name("python");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("talk.json");
        std::fs::write(&file, talk.to_string()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/json/conforms.py");
        let ran: Ran = Command::new(python).arg(script).arg(&file).output().unwrap().into();
        ran.exits(0);
    }
}

fn one(stream: &TcpStream, cloud: &Mutex<Cloud>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut target, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => value.trim().clone_into(&mut target),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let input = serde_json::from_slice(&body).unwrap_or_default();
    let mut cloud = cloud.lock().unwrap_or_else(PoisonError::into_inner);
    let answered = cloud.served(&target, &input);
    drop(cloud);
    let Some((status, answer)) = answered else { return Ok(()) };
    write!(
        &mut &*stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nx-amzn-RequestId: r-1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )
}
