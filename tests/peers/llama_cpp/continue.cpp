// Continues prompts with llama.cpp: llama-continue MODEL.gguf THREADS TOKENS TEMPERATURE TOP_K SEED.
//
// Reads one prompt a line, as token ids. Prints `ready` when the model is loaded, then for each prompt a
// line: the milliseconds that it took, and the new ids. Temperature 0 is greedy.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "llama.h"

using Clock = std::chrono::steady_clock;

[[noreturn]] static void fail(const std::string & message) {
    std::cerr << "error: " << message << '\n';
    std::exit(1);
}

static llama_sampler * make_sampler(float temperature, int top_k, unsigned seed) {
    llama_sampler * chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
    if (temperature == 0) {
        llama_sampler_chain_add(chain, llama_sampler_init_greedy());
    } else {
        llama_sampler_chain_add(chain, llama_sampler_init_top_k(top_k));
        llama_sampler_chain_add(chain, llama_sampler_init_temp(temperature));
        llama_sampler_chain_add(chain, llama_sampler_init_dist(seed));
    }
    return chain;
}

// The last of the new ids is not run: nothing follows it.
static std::vector<llama_token> continue_prompt(
        llama_context * context, llama_sampler * sampler, std::vector<llama_token> prompt, int tokens) {
    llama_memory_clear(llama_get_memory(context), true);
    llama_sampler_reset(sampler);
    std::vector<llama_token> ids;
    llama_batch batch = llama_batch_get_one(prompt.data(), prompt.size());
    llama_token id;
    for (int i = 0; i < tokens; i++) {
        if (llama_decode(context, batch) != 0) fail("llama_decode");
        id = llama_sampler_sample(sampler, context, -1);
        ids.push_back(id);
        batch = llama_batch_get_one(&id, 1);
    }
    return ids;
}

int main(int argc, char ** argv) {
    if (argc != 7) fail("usage: llama-continue MODEL.gguf THREADS TOKENS TEMPERATURE TOP_K SEED");
    const int threads = std::stoi(argv[2]), tokens = std::stoi(argv[3]), top_k = std::stoi(argv[5]);
    const float temperature = std::stof(argv[4]);

    llama_log_set([](ggml_log_level level, const char * text, void *) {
        if (level == GGML_LOG_LEVEL_ERROR) std::cerr << text;
    }, nullptr);
    llama_backend_init();
    llama_model * model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (model == nullptr) fail(std::string("cannot load ") + argv[1]);
    llama_context_params parameters = llama_context_default_params();
    parameters.n_ctx = llama_model_n_ctx_train(model);
    parameters.n_threads = threads;
    parameters.n_threads_batch = threads;
    llama_context * context = llama_init_from_model(model, parameters);
    if (context == nullptr) fail("cannot make a context");
    llama_sampler * sampler = make_sampler(temperature, top_k, std::stoul(argv[6]));
    std::cout << "ready" << std::endl;

    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::vector<llama_token> prompt;
        for (llama_token id; words >> id;) prompt.push_back(id);
        const auto start = Clock::now();
        const auto ids = continue_prompt(context, sampler, prompt, tokens);
        std::cout << std::chrono::duration<double, std::milli>(Clock::now() - start).count();
        for (llama_token id : ids) std::cout << ' ' << id;
        std::cout << std::endl;
    }
    llama_sampler_free(sampler);
    llama_free(context);
    llama_model_free(model);
}
