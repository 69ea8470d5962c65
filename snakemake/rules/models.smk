# Encoders, decoders and reconstructions: fitted on training trials, predicting test trials.


rule encode:
    input:
        recording("{subject}"),
        encoder_embeddings,
        CONFIG.stimuli,
    output:
        directory(TREE.model("{subject}", "encoder-{name}")),
        directory(TREE.prediction("{subject}", "encoder-{name}")),
    wildcard_constraints:
        name=choice(CONFIG.encode),
    log:
        TREE.log("encode", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("encode", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("encode"),
    resources:
        mem_mb=growing(4000),
        runtime=60,
    shell:
        "calcarine step encode {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"


rule decode:
    input:
        recording("{subject}"),
        lambda wildcards: embedding(CONFIG.decode[wildcards.name].target),
    output:
        directory(TREE.model("{subject}", "decoder-{name}")),
        directory(TREE.prediction("{subject}", "decoder-{name}")),
    wildcard_constraints:
        name=choice(decoders("each")),
    log:
        TREE.log("decode", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("decode", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("decode"),
    resources:
        mem_mb=growing(4000),
        runtime=240,
        gpu=1,
    shell:
        "calcarine step decode {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"


for decoder in decoders("all"):

    rule:
        name:
            f"decode_group_{decoder}"
        input:
            [recording(subject) for subject in CONFIG.subjects],
            embedding(CONFIG.decode[decoder].target),
        output:
            directory(TREE.group_model(f"decoder-{decoder}")),
            [
                directory(TREE.prediction(subject, f"decoder-{decoder}"))
                for subject in CONFIG.subjects
            ],
        log:
            TREE.log("decode-group", decoder),
        benchmark:
            TREE.benchmark("decode-group", decoder)
        params:
            config=TREE.config,
            version=f"{settings_digest('decode-group', CONFIG, decoder)} {code_digest('decode-group')}",
            decoder=decoder,
        resources:
            mem_mb=growing(6000),
            runtime=480,
            gpu=1,
        shell:
            "calcarine step decode-group {params.config} --name {params.decoder} --threads {threads}"
            " > {log} 2>&1"


rule geometry:
    input:
        recording("{subject}"),
        geometry_inputs,
        CONFIG.stimuli,
    output:
        directory(TREE.geometry("{subject}", "{name}")),
    wildcard_constraints:
        name=choice(CONFIG.geometry),
    log:
        TREE.log("geometry", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("geometry", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("geometry"),
    resources:
        mem_mb=growing(4000),
        runtime=60,
    shell:
        "calcarine step geometry {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"


rule reconstruct:
    input:
        drivers,
        recording("{subject}"),
        CONFIG.stimuli,
    output:
        directory(TREE.reconstruction("{subject}", "{name}")),
    log:
        TREE.log("reconstruct", "{subject}_{name}"),
    benchmark:
        TREE.benchmark("reconstruct", "{subject}_{name}")
    params:
        config=TREE.config,
        version=version("reconstruct"),
    resources:
        mem_mb=growing(4000),
        runtime=240,
        gpu=1,
    shell:
        "calcarine step reconstruct {params.config} --subject {wildcards.subject} --name {wildcards.name}"
        " --threads {threads} > {log} 2>&1"
