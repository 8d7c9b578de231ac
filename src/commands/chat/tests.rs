//! Chats with a hand-written core over real gRPC.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use llm2api_proto::{
    ContractError,
    v1::{
        ChatEvent, ChatResponse, ChoiceDelta, ChoiceFinish, ErrorReason, FinishReason,
        GetModelRequest, GetModelResponse, ListModelsResponse, Model,
        chat_event::Event,
        chat_service_server::{ChatService, ChatServiceServer},
        model_service_server::{ModelService, ModelServiceServer},
    },
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, async_trait,
    codegen::tokio_stream::{self, Stream},
    transport::{Server, server::TcpIncoming},
};

use super::*;
use crate::{admin_key, config::Environment};

/// What came with a request as `authorization`, and the request.
type Asked = (Option<String>, ChatRequest);

/// A core that answers with its script, and keeps what it was asked.
#[derive(Clone, Default)]
struct FakeCore {
    models: Vec<&'static str>,
    script: Vec<Result<ChatResponse, Status>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[async_trait]
impl ChatService for FakeCore {
    type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatResponse, Status>> + Send>>;

    async fn chat(
        &self,
        request: Request<ChatRequest>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let key = request.metadata().get("authorization");
        let key = key.map(|key| key.to_str().unwrap().to_owned());
        self.asked.lock().unwrap().push((key, request.into_inner()));
        match self.script.first() {
            Some(Err(status)) => Err(status.clone()),
            _ => Ok(Response::new(Box::pin(tokio_stream::iter(
                self.script.clone(),
            )))),
        }
    }
}

#[async_trait]
impl ModelService for FakeCore {
    async fn get_model(
        &self,
        _request: Request<GetModelRequest>,
    ) -> Result<Response<GetModelResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn list_models(
        &self,
        _request: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        let models = self.models.iter().map(|id| Model {
            id: (*id).to_owned(),
            ..Model::default()
        });
        Ok(Response::new(ListModelsResponse {
            models: models.collect(),
            ..ListModelsResponse::default()
        }))
    }
}

/// How a chat ended, in the words that a person reads, and what it wrote.
struct Chatted {
    result: Result<(), String>,
    written: String,
}

/// Asks this core "hi" with these options and settings.
async fn chat_with(
    core: &FakeCore,
    options: ChatOptions,
    settings: &[(&str, &str)],
    json: bool,
) -> Chatted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let environment: Environment = settings
        .iter()
        .chain(&[("LLM2API_URL", url.as_str())])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let configuration = Configuration::load(&environment, None).unwrap();
    let server = Server::builder()
        .add_service(ChatServiceServer::new(core.clone()))
        .add_service(ModelServiceServer::new(core.clone()))
        .serve_with_incoming(TcpIncoming::from(listener));
    let mut written = Vec::new();
    let output = Output::new(&mut written, json);
    let result = tokio::select! {
        result = chat(&options, "hi".to_owned(), &configuration, output) => result,
        ended = server => panic!("{ended:?}"),
    };
    Chatted {
        result: result.map_err(|error| format!("{error:#}")),
        written: String::from_utf8(written).unwrap(),
    }
}

fn options() -> ChatOptions {
    ChatOptions {
        model: None,
        system: None,
        temperature: None,
        web: false,
        message: Vec::new(),
    }
}

fn delta(content: &str) -> Result<ChatResponse, Status> {
    response(Event::Delta(ChoiceDelta {
        content: Some(content.to_owned()),
        reasoning_content: Some("hm".to_owned()),
        ..ChoiceDelta::default()
    }))
}

fn finish() -> Result<ChatResponse, Status> {
    response(Event::Finish(ChoiceFinish {
        reason: FinishReason::Stop.into(),
        ..ChoiceFinish::default()
    }))
}

fn response(event: Event) -> Result<ChatResponse, Status> {
    Ok(ChatResponse {
        events: vec![ChatEvent {
            event: Some(event),
            ..ChatEvent::default()
        }],
    })
}

fn message(role: &str, content: &str) -> Message {
    Message {
        role: role.to_owned(),
        content: Some(content.to_owned()),
        ..Message::default()
    }
}

#[tokio::test]
async fn the_first_listed_model_is_asked_with_the_first_client_key() {
    let core = FakeCore {
        models: vec!["qwen3", "llama3"],
        script: vec![delta("Hel"), delta("lo 好"), finish()],
        ..FakeCore::default()
    };
    let settings = [("API_KEY", "sk-one,sk-two")];
    let chatted = chat_with(&core, options(), &settings, false).await;
    assert_eq!(chatted.result, Ok(()));
    assert_eq!(chatted.written, "Hello 好\n");
    assert_eq!(
        *core.asked.lock().unwrap(),
        [(
            Some("Bearer sk-one".to_owned()),
            ChatRequest {
                model: "qwen3".to_owned(),
                messages: vec![message("user", "hi")],
                ..ChatRequest::default()
            }
        )]
    );
}

#[tokio::test]
async fn model_system_message_and_temperature_are_what_the_options_say() {
    let core = FakeCore {
        script: vec![delta("ok\n"), finish()],
        ..FakeCore::default()
    };
    let options = ChatOptions {
        model: Some("llama3".to_owned()),
        system: Some("Be brief.".to_owned()),
        temperature: Some(0.5),
        web: true,
        ..options()
    };
    let settings = [("ADMIN_KEY", "sk-admin"), ("API_KEY", "off")];
    let chatted = chat_with(&core, options, &settings, true).await;
    assert_eq!(chatted.result, Ok(()));
    assert_eq!(
        chatted.written,
        concat!(
            r#"{"content":"ok\n","index":0,"reasoning_content":"hm","type":"delta"}"#,
            "\n",
            r#"{"index":0,"reason":"stop","type":"finish"}"#,
            "\n",
        )
    );
    assert_eq!(
        *core.asked.lock().unwrap(),
        [(
            Some("Bearer sk-admin".to_owned()),
            ChatRequest {
                model: "llama3".to_owned(),
                messages: vec![message("system", "Be brief."), message("user", "hi")],
                temperature: Some(0.5),
                web_search: true,
                ..ChatRequest::default()
            }
        )]
    );
}

#[tokio::test]
async fn the_key_in_data_dir_is_sent_where_there_is_one() {
    let core = FakeCore {
        models: vec!["qwen3"],
        ..FakeCore::default()
    };
    let data_dir = tempfile::tempdir().unwrap();
    let settings = [("DATA_DIR", data_dir.path().to_str().unwrap())];
    chat_with(&core, options(), &settings, false).await;
    std::fs::write(admin_key::path(data_dir.path()), "sk-made\n").unwrap();
    chat_with(&core, options(), &settings, false).await;
    let keys: Vec<_> = core
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|(key, _)| key.clone())
        .collect();
    assert_eq!(keys, [None, Some("Bearer sk-made".to_owned())]);
}

#[tokio::test]
async fn an_error_tells_its_message_and_reason() {
    let error = ContractError::new(ErrorReason::ModelNotFound, "There is no model `x`.");
    let core = FakeCore {
        models: vec!["x"],
        script: vec![Err(error.clone().into())],
        ..FakeCore::default()
    };
    let settings = [("ADMIN_KEY", "a")];
    let refused = chat_with(&core, options(), &settings, false).await;
    let told = Err("There is no model `x`. (model_not_found)".to_owned());
    assert_eq!(
        (refused.result, refused.written.as_str()),
        (told.clone(), "")
    );

    let core = FakeCore {
        script: vec![delta("Hel"), Err(error.into())],
        ..core
    };
    let cut = chat_with(&core, options(), &settings, false).await;
    assert_eq!((cut.result, cut.written.as_str()), (told, "Hel\n"));
}

#[tokio::test]
async fn without_a_model_to_ask_the_option_is_named() {
    let chatted = chat_with(
        &FakeCore::default(),
        options(),
        &[("ADMIN_KEY", "a")],
        false,
    )
    .await;
    assert_eq!(
        chatted.result,
        Err("the instance lists no models; name one by --model".to_owned())
    );
}
