"""The table holds operations that exist, and none that names a file, a function or the world outside."""

import re

import pytest
from tensorflow.core.framework import op_def_pb2, types_pb2
from tensorflow.python.client import pywrap_tf_session

from keras_repvis.zoo import safe_operations

REFUSED = """
    ReadFile WriteFile MatchingFiles Print PrintV2 PyFunc PyFuncStateless EagerPyFunc Save SaveV2 SaveSlices Restore
    RestoreV2 RestoreSlice MergeV2Checkpoints ShardedFilename ShardedFilespec TextLineDataset TFRecordDataset CSVDataset
    FixedLengthRecordDatasetV2 SqlDataset LMDBDataset MatchingFilesDataset SaveDatasetV2 LoadDataset SnapshotDatasetV2
    CacheDataset CacheDatasetV2 DataServiceDatasetV4 DatasetFromGraph GeneratorDataset WriteSummary WriteScalarSummary
    CreateSummaryFileWriter CreateSummaryDbWriter WriteImageSummary InitializeTableFromTextFile
    InitializeTableFromTextFileV2 InitializeTableFromDataset WholeFileReaderV2 TFRecordReaderV2 ReaderReadV2 FIFOQueueV2
    QueueEnqueueV2 GetSessionHandleV2 GetSessionTensor DebugIdentity DebugIdentityV2 DebugNumericSummaryV2 DumpTensor
    RpcClient RpcCall RpcServer RemoteCall Send Recv CollectiveReduceV3 ImmutableConst LoadAndRemapMatrix
    GenerateVocabRemapping FixedUnigramCandidateSampler DecodeProtoV2 EncodeProto Abort FileSystemSetConfiguration
    XlaCallModule XlaLaunch TPUExecute RecordInput Timestamp
""".split()


@pytest.fixture(scope="module", name="registry")
def registry_fixture():
    """Name -> `OpDef` of every operation of this TensorFlow."""
    operations = op_def_pb2.OpList()
    operations.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {operation.name: operation for operation in operations.op}


def test_every_name_is_an_operation(registry):
    names = [*safe_operations.SAFE, *safe_operations.SAVING, *safe_operations.RESTORING]
    assert sorted(set(names) - registry.keys()) == []


def test_no_name_is_listed_twice():
    assert sum(len(names) for names in safe_operations.BY_KIND.values()) == len(safe_operations.SAFE)


def test_known_dangers_are_real_and_not_in_the_table(registry):
    assert sorted(set(REFUSED) - registry.keys()) == []
    assert safe_operations.SAFE.intersection(REFUSED) == set()
    # TensorFlow's own flag would let this one through.
    assert not registry["ReadFile"].is_stateful


def test_no_input_or_attribute_names_a_place_outside(registry):
    telling = re.compile(r"file|path|address|hostname|url|directory|memory_region|vocab|token|graph_def|descriptor")
    found = [
        f"{name}: {part.name}"
        for name in sorted(safe_operations.SAFE)
        for part in [*registry[name].input_arg, *registry[name].attr]
        if telling.search(part.name) and (getattr(part, "type", "") in (types_pb2.DT_STRING, "string"))
    ]
    assert found == []
    # The pattern does find those that are to be found.
    for name in ("ReadFile", "ImmutableConst", "FixedUnigramCandidateSampler", "DecodeProtoV2", "DatasetFromGraph"):
        assert any(telling.search(part.name) for part in [*registry[name].input_arg, *registry[name].attr]), name


def test_no_name_tells_of_input_or_output():
    telling = re.compile(
        "File|Dataset|Iterator|Queue|Session|Summary|Print|PyFunc|Reader|Save|Restore|Rpc|Remote|Debug|Send|Recv|"
        "Collective|TPU|Xla|Checkpoint|Stage|Barrier|Mutex|Nccl|Dump"
    )
    assert [name for name in sorted(safe_operations.SAFE) if telling.search(name)] == []
    assert all(any(telling.search(name) for name in [one]) for one in ("ReadFile", "PrintV2", "EagerPyFunc"))


def test_calls_are_exactly_those_that_take_functions(registry):
    takes_functions = {
        name for name in safe_operations.SAFE
        if any(attribute.type in ("func", "list(func)") for attribute in registry[name].attr)
    }
    assert takes_functions == safe_operations.CALLS
